//! `start`, `status`, `stop`, `restart`, `logs`: the life of a server.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::curl;
use super::test_home::{CommandOutput, TestHome, port_of, signal, wait_until};
use crate::support::port::Port;

/// The lines of a table, with one blank between columns.
fn squeezed(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn server_is_started_listed_used_and_stopped() {
    let home = TestHome::with_runtime();
    let started = home.success(&["start", "http", "--port", "0"]);
    let server = home.json(&["status"])[0].clone();
    insta::assert_snapshot!(home.redact(&started, &server), @r#"
    Server [ID] is ready at http://127.0.0.1:[PORT]
      Python [VERSION] in the environment runtime-host
      use it:   beep-python eval --server [ID] '1 + 1'
                curl http://127.0.0.1:[PORT]/api/eval -H 'Content-Type: application/json' -d '{"expression": "1 + 1"}'
      stop it:  beep-python stop [ID]
    "#);
    let status = squeezed(&home.redact(&home.success(&["status"]), &server));
    assert!(status.starts_with(
        "SERVER STATE ENDPOINT ENVIRONMENT PID SINCE\n[ID] running http://127.0.0.1:[PORT] runtime-host (Python [VERSION]) [PID] "
    ), "{status}");
    assert_eq!(home.success(&["eval", "import os; os.getcwd()"]).trim(), home.directory().to_str().unwrap());
    assert!(home.success(&["logs"]).contains("ready"));
    insta::assert_snapshot!(home.redact(&home.run(&["stop"]).snapshot(), &server), @r"
    status: 0
    ----- stdout
    Stopped the server [ID]
    ----- stderr
    ");
    assert_eq!(home.json(&["status"]), json!([]));
    home.wait_until_no_process_is_left();
    let id = server["id"].as_str().unwrap();
    assert!(home.success(&["logs", id]).contains("stopped"), "its log stays");
}

#[test]
fn port_in_use_names_its_owner() {
    let home = TestHome::with_runtime();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let output = home.run(&["start", "http", "--port", &port]);
    assert_eq!(output.code, Some(1));
    let expected = format!("error: port {port} on 127.0.0.1 is in use by process {} (", std::process::id());
    assert!(output.stderr.starts_with(&expected), "{output:?}");
    assert!(
        output.stderr.ends_with("hint: choose another port with --port or, for RPC, --rpc-port; 0 takes a free one\n"),
        "{output:?}"
    );

    let server = home.start(&[]);
    let output = home.run(&["start", "http", "--port", &port_of(&server)]);
    assert_eq!(output.code, Some(1));
    let hint = home.redact(output.stderr.lines().last().unwrap(), &server);
    assert_eq!(
        hint,
        "hint: it is the server [ID]: `beep-python stop [ID]` stops it; choose another port with --port or, for RPC, --rpc-port; 0 takes a free one"
    );
    assert_eq!(home.json(&["status"]).as_array().unwrap().len(), 1);
}

#[test]
fn both_ports_speak_http2_without_tls_too() {
    let home = TestHome::with_runtime();
    let server = home.json(&["start", "http", "rpc", "--port", "0", "--rpc-port", "0"]);
    for endpoint in server["endpoints"].as_array().unwrap() {
        let url = endpoint["url"].as_str().unwrap().replace("grpc://", "http://");
        assert_eq!(curl::http2(&format!("{url}/health")), "2 200", "{url}");
    }
}

#[test]
fn killed_server_takes_its_workers_along_and_status_explains() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    home.success(&["eval", "1"]);
    signal(server["pid"].as_u64().unwrap(), Signal::KILL);
    home.wait_until_no_process_is_left();
    // A dying process loses its memory first, and with it the name of its command.
    wait_until("it is gone", || home.json(&["status"])[0]["state"] != "running");

    let status = home.json(&["status"]);
    assert_eq!(status[0]["state"], "dead");
    assert!(status[0]["logTail"].as_str().unwrap().contains("ready"), "{status}");
    let text = home.redact(&home.success(&["status"]), &server);
    assert!(
        text.contains("\nServer [ID] (process [PID]) ended without stopping: it was killed or crashed.\n"),
        "{text}"
    );
    assert!(
        text.contains("\n  beep-python restart [ID] starts it again, stop [ID] forgets it, logs [ID] shows all.\n"),
        "{text}"
    );
    let checked = home.json(&["config"]);
    assert_eq!(checked["ok"], false, "{checked}");

    let output = home.run(&["stop", server["id"].as_str().unwrap()]);
    insta::assert_snapshot!(home.redact(&output.snapshot(), &server), @r"
    status: 0
    ----- stdout
    Server [ID] (process [PID]) ended without stopping: it was killed or crashed. Its record is removed.
    ----- stderr
    ");
    assert_eq!(home.json(&["status"]), json!([]));
}

#[test]
fn a_server_whose_zygote_is_stopped_stops_all_the_same() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let zygote = home.success(&["eval", "--session", "default", "import os; os.getppid()"]).trim().parse().unwrap();
    signal(zygote, Signal::STOP);
    let stopped = home.run(&["stop"]);
    assert!(stopped.stdout.starts_with("Stopped the server"), "and was not killed: {stopped:?}");
    home.wait_until_no_process_is_left();
}

#[test]
fn records_of_another_boot_or_a_reused_pid_are_detected() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let path = home.root().join(format!("servers/{}.json", server["id"].as_str().unwrap()));
    let record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (key, value, state, told) in [
        ("bootId", json!("other"), "dead (rebooted)", "when the machine restarted"),
        ("startTime", json!(1), "dead (pid reused)", "another process has its pid"),
    ] {
        let mut stale = record.clone();
        stale[key] = value;
        fs::write(&path, stale.to_string()).unwrap();
        let status = home.json(&["status"]);
        assert_eq!(status[0]["state"], state);
        assert!(status[0]["explanation"].as_str().unwrap().contains(told), "{status}");
        assert_eq!(home.json(&["stop", "--all"])[0]["outcome"], "alreadyGone");
    }
    fs::write(&path, record.to_string()).unwrap();
    assert_eq!(home.json(&["status"])[0]["state"], "running", "the process was left alone");
}

#[test]
fn backends_of_a_server_share_its_sessions() {
    let home = TestHome::with_runtime();
    let port = Port::new();
    let server = home.json(&["start", "http", "pipe", "--port", &port.number.to_string()]);
    let urls: Vec<_> = (0..2).map(|at| server["endpoints"][at]["url"].as_str().unwrap().to_owned()).collect();
    assert!(urls[0].starts_with("http://127.0.0.1:") && urls[1].starts_with("unix:/"), "{server}");
    let socket = Path::new(&urls[1]["unix:".len()..]).to_owned();
    let name = socket.file_stem().unwrap().to_str().unwrap().to_owned();
    let link = std::env::temp_dir().join(format!("CoreFxPipe_{name}"));
    assert!(socket.exists() && link.exists());
    home.success(&["eval", "--session", "default", "x = 42"]);
    assert_eq!(
        home.success(&["eval", "--session", "default", "--server", &name, "x"]),
        "42\n",
        "the pipe's name means the server"
    );
    let status = home.success(&["status"]);
    assert!(urls.iter().all(|url| status.contains(url)), "{status}");
    assert_eq!(home.json(&["restart"])["endpoints"], server["endpoints"]);
    home.success(&["stop"]);
    assert!(!socket.exists() && !link.is_symlink());
    home.wait_until_no_process_is_left();
}

#[test]
fn server_can_have_only_a_pipe() {
    let home = TestHome::with_runtime();
    let name = format!("cli-test-{}", std::process::id());
    let output = home.success(&["start", "pipe", "--pipe-name", &name]);
    let socket = home.root().join(format!("run/{name}.sock"));
    assert!(output.contains(&format!(" is ready at unix:{}\n", socket.display())), "{output}");
    assert!(output.contains(&format!("NamedPipeClientStream(\".\", \"{name}\")")), "{output}");
    assert_eq!(home.success(&["eval", "6 * 7"]), "42\n");
    let taken = home.run(&["start", "pipe", "--pipe-name", &name]);
    assert!(taken.stderr.ends_with("hint: choose another name with --pipe-name\n"), "{taken:?}");
    home.success(&["stop", &name]);
    assert!(!socket.exists());
    home.wait_until_no_process_is_left();
}

#[test]
fn server_can_speak_rpc() {
    let home = TestHome::with_runtime();
    let port = Port::new();
    let server = home.json(&["start", "rpc", "pipe", "--rpc-port", &port.number.to_string()]);
    let backends: Vec<_> = (0..2).map(|at| server["endpoints"][at]["backend"].as_str().unwrap()).collect();
    assert_eq!(backends, ["pipe", "rpc"]);
    let url = server["endpoints"][1]["url"].as_str().unwrap();
    let port = &port.number.to_string();
    assert_eq!(url, format!("grpc://127.0.0.1:{port}"));
    assert_eq!(home.json(&["restart", port])["endpoints"], server["endpoints"]);
    home.success(&["stop", url]);
    home.wait_until_no_process_is_left();

    let output = home.success(&["start", "rpc", "--rpc-port", port]);
    assert!(output.contains(&format!(" is ready at {url}\n")), "{output}");
    assert!(output.contains(&format!(" localhost:{port} beep.python.runtime.PythonService/Evaluate\n")), "{output}");
    assert_eq!(home.success(&["eval", "6 * 7"]), "42\n");
    home.success(&["stop"]);
    home.wait_until_no_process_is_left();
}

#[test]
fn restart_keeps_id_port_environment_and_settings() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let port = Port::new();
    let number = port.number.to_string();
    // Long enough on a busy machine, too.
    let settings = ["--venv", "mine", "--timeout", "3", "--preload", "decimal"];
    let first = home.json(&[&["start", "http", "--port", &number], &settings[..]].concat());
    home.success(&["eval", "--session", "default", "x = 1"]);
    let again = home.json(&["restart"]);
    for key in ["id", "endpoints", "environment", "arguments", "directory"] {
        assert_eq!(first[key], again[key], "{key}");
    }
    assert_ne!(first["pid"], again["pid"]);
    assert_eq!(home.success(&["eval", "--session", "default", "'x' in globals()"]), "False\n", "it is a new session");
    assert_eq!(home.success(&["eval", "import sys; 'decimal' in sys.modules"]), "True\n");
    assert!(home.run(&["eval", "while True: pass"]).stderr.contains("hint: --timeout"), "its deadline is kept");
    signal(again["pid"].as_u64().unwrap(), Signal::KILL);
    wait_until("it is gone", || home.json(&["status"])[0]["state"] == "dead");
    let third = home.json(&["restart", again["id"].as_str().unwrap()]);
    assert_eq!(third["endpoints"], first["endpoints"], "one that was killed starts again as well");
}

#[test]
fn restart_waits_for_a_port_that_is_held_for_a_moment() {
    let home = TestHome::with_runtime();
    let port = Port::new();
    let first = home.json(&["start", "http", "--port", &port.number.to_string()]);
    signal(first["pid"].as_u64().unwrap(), Signal::KILL);
    wait_until("it is gone", || home.json(&["status"])[0]["state"] == "dead");
    port.free();
    let held = TcpListener::bind(("127.0.0.1", port.number)).unwrap();
    let restart = ["restart", first["id"].as_str().unwrap()];
    let mut restarting = home.command(&restart).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(restarting.stderr.take().unwrap());
    told.read_line(&mut String::new()).unwrap();
    // It tries at once, and again.
    std::thread::sleep(std::time::Duration::from_millis(200));
    drop(held);
    assert!(restarting.wait().unwrap().success());
    home.success(&["stop"]);
    port.free();
    let held = TcpListener::bind(("127.0.0.1", port.number)).unwrap();
    let taken = home.run(&["start", "http", "--port", &port.number.to_string()]);
    assert!(taken.stderr.contains("is in use by"), "{taken:?}");
    drop(held);
}

#[test]
fn commands_need_a_name_when_several_servers_run() {
    let home = TestHome::with_runtime();
    let (one, two) = (home.start(&[]), home.start(&[]));
    let output = home.run(&["stop"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.starts_with("error: more than one server is running: "), "{output:?}");
    home.success(&["stop", &port_of(&one)]);
    let left = home.json(&["status"]);
    assert_eq!((left.as_array().unwrap().len(), &left[0]["id"]), (1, &two["id"]));
    assert_eq!(home.json(&["stop", "--all"]), json!([{"id": two["id"], "pid": two["pid"], "outcome": "drained"}]));
}

#[test]
fn stop_lets_a_running_call_finish() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let began = home.directory().join("began");
    let code = format!("open({:?}, 'w').close()\nimport time\ntime.sleep(1)\n'finished'", began.display().to_string());
    let call = home.command(&["eval", &code]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the code runs", || began.exists());
    assert_eq!(home.json(&["stop"])[0]["outcome"], "drained");
    let output = CommandOutput::from(call.wait_with_output().unwrap());
    assert_eq!((output.stdout.as_str(), output.code), ("finished\n", Some(0)), "{output:?}");
}

#[test]
fn foreground_server_prints_its_endpoint_and_ends_with_its_terminal() {
    let home = TestHome::with_runtime();
    let mut command = home.command(&["start", "http", "--port", "0", "--foreground"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let server = home.json(&["status"])[0].clone();
    assert_eq!(server["pid"], child.id(), "the process itself is the server");
    assert_eq!(home.redact(&first, &server), "Server [ID] is ready at http://127.0.0.1:[PORT]");
    assert_eq!(lines.find_map(|line| line.unwrap().contains("Ctrl-C").then_some(())), Some(()));
    assert_eq!(home.success(&["eval", "1 + 1"]), "2\n");
    let output = home.run(&["logs"]);
    assert!(output.stderr.contains("runs in the foreground"), "{output:?}");
    signal(child.id().into(), Signal::INT);
    assert!(child.wait().unwrap().success());
    assert_eq!(home.json(&["status"]), json!([]));
}

#[test]
fn logs_are_followed_until_the_server_ends() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let id = server["id"].as_str().unwrap();
    let mut follower = home.command(&["logs", "-f", id]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(follower.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    assert!(first.contains("ready"), "{first}");
    home.success(&["stop", id]);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("stopped"), "{rest}");
    assert!(follower.wait().unwrap().success());
    assert_eq!(home.success(&["logs", id, "-n", "1"]).lines().count(), 1);
    let output = home.run(&["logs", "../logs/x"]);
    assert!(output.stderr.starts_with("error: there is no server"), "{output:?}");
}

#[test]
fn failed_start_says_why_and_leaves_nothing() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let python = home.root().join("environments/mine/bin/python");
    fs::remove_file(&python).unwrap();
    std::os::unix::fs::symlink("/bin/false", &python).unwrap();
    let output = home.run(&["start", "http", "--port", "0", "--venv", "mine"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.starts_with("error: the server could not start\ncaused by: "), "{output:?}");
    assert!(output.stderr.contains("hint: `beep-python config`"), "{output:?}");
    assert_eq!(home.json(&["status"]), json!([]));
    home.wait_until_no_process_is_left();
}

#[test]
fn the_server_of_a_command_is_its_own() {
    let home = TestHome::with_runtime();
    let at = |name: &str| home.directory().join(name);
    let code = format!(
        "import os, time\nopen({:?}, 'w').close()\nwhile not os.path.exists({:?}): time.sleep(0.01)\n'done'",
        at("runs").display().to_string(),
        at("go").display().to_string()
    );
    let mut command = home.command(&["eval", &code]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the code runs", || at("runs").exists());
    // Neither taken for the only server, nor stopped with all.
    assert_eq!(home.success(&["eval", "'runs' in globals() or 1 + 1"]), "2\n");
    let status = home.json(&["status"]);
    assert_eq!((status.as_array().unwrap().len(), &status[0]["temporary"]), (1, &json!(true)), "{status}");
    assert!(home.success(&["status"]).contains("running (of a command)"));
    assert!(home.run(&["stop"]).stderr.contains("no server is running"));
    assert_eq!(home.json(&["stop", "--all"]), json!([]));
    assert!(home.run(&["session", "list"]).stderr.contains("no server is running"));
    fs::write(at("go"), "").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(
        (ended.status.code(), String::from_utf8_lossy(&ended.stdout).as_ref()),
        (Some(0), "done\n"),
        "{ended:?}"
    );
    home.wait_until_no_process_is_left();
}

#[test]
fn pipe_may_be_named_as_windows_names_it() {
    let home = TestHome::with_runtime();
    let name = format!("named-{}", std::process::id());
    let windows = format!(r"\\.\pipe\{name}");
    let started = home.json(&["start", "pipe", "--pipe-name", &windows]);
    assert!(started["endpoints"][0]["url"].as_str().unwrap().ends_with(&format!("{name}.sock")), "{started}");
    for server in [&windows, &format!("pipe:{windows}"), &name] {
        assert_eq!(home.success(&["eval", "--server", server, "1 + 1"]), "2\n", "{server}");
    }
    let wrong = home.run(&["start", "pipe", "--pipe-name", r"\\.\pipe\a\b"]);
    assert!(wrong.stderr.contains(r#""a\b" is no name for a pipe"#), "{wrong:?}");
    let unknown = home.run(&["stop", r"\\.\pipe\nobodys"]);
    assert!(unknown.stderr.contains(r"\\.\pipe\nobodys") && !unknown.stderr.contains(r"\\\"), "{unknown:?}");
}

#[test]
fn what_is_no_origin_is_refused_before_anything_starts() {
    let home = TestHome::new();
    for (origin, reason) in [
        ("https://app.example/path", "it has a path"),
        ("app.example", "it has no scheme"),
        ("https://app .example", "it has no host"),
        ("*", "name the origins one by one"),
    ] {
        let output = home.run(&["start", "http", "--port", "0", "--allow-origin", origin]);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains(reason) && output.stderr.contains("--allow-origin"), "{output:?}");
    }
}
