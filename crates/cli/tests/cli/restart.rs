//! `restart`: the server comes back as it was, or goes on.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::test_home::{CommandOutput, TestHome, port_of, signal, wait_until};

/// Every file in a folder that has this text.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let found = std::process::Command::new("grep").args(["-rl", "--", text]).arg(folder).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn server_that_could_not_start_again_is_left_running() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let folder = home.directory().join("folder");
    fs::create_dir(&folder).unwrap();
    let mut start = home.command(&["start", "http", "pipe", "--port", "0", "--venv", "mine", "--json"]);
    let server = CommandOutput::from(start.current_dir(&folder).output().unwrap());
    let server: serde_json::Value = serde_json::from_str(&server.stdout).unwrap();
    home.success(&["eval", "--session", "default", "x = 42"]);
    let environment = home.root().join("environments/mine");
    let broken = [
        (environment.clone(), "is not a virtual environment"),
        (environment.join("bin"), "is not a virtual environment"),
        (environment.join("pyvenv.cfg"), "is not a virtual environment"),
        (home.root().join("token"), "the token file "),
    ];
    let refused = |why: &str| {
        let output = home.run(&["restart"]);
        let id = server["id"].as_str().unwrap();
        let expected = format!("error: server {id} could not start again, so it was left running\n");
        assert!(output.code == Some(1) && output.stderr.starts_with(&expected), "{why}: {output:?}");
        assert!(output.stderr.contains(why), "{why}: {output:?}");
        let listed = home.json(&["status"]);
        assert_eq!((listed.as_array().unwrap().len(), &listed[0]["pid"]), (1, &server["pid"]));
    };
    for (path, why) in broken {
        let aside = home.directory().join("aside");
        fs::rename(&path, &aside).unwrap();
        if path.ends_with("token") {
            fs::write(&path, "no token").unwrap();
        }
        refused(why);
        fs::rename(&aside, &path).unwrap();
        assert_eq!(home.success(&["eval", "--session", "default", "x"]), "42\n");
    }
    fs::remove_dir(&folder).unwrap();
    refused("the server cannot start in the folder ");
    fs::create_dir(&folder).unwrap();
    assert_eq!(home.json(&["restart"])["endpoints"], server["endpoints"]);
}

#[test]
fn restarted_server_has_its_own_folder_and_variables() {
    let home = TestHome::with_runtime();
    let [first, moved, other] = ["first", "moved", "other"].map(|name| home.directory().join(name));
    fs::create_dir(&first).unwrap();
    fs::create_dir(&other).unwrap();
    let tmp = home.directory().join("tmp");
    fs::create_dir(&tmp).unwrap();
    let secret = "a secret that no file may have";
    let mut start = home.command(&["start", "http", "pipe", "--port", "0"]);
    start.current_dir(&first).env("MY_TOKEN", secret).env("TMPDIR", &tmp).env_remove("ONLY_OF_THE_SHELL");
    assert!(start.output().unwrap().status.success());
    // What is gone is no reason not to come back, if it can do without.
    fs::remove_dir_all(&tmp).unwrap();
    fs::rename(&first, &moved).unwrap();
    for _ in 0..2 {
        let mut restart = home.command(&["restart"]);
        restart.current_dir(&other).env("MY_TOKEN", "another").env("ONLY_OF_THE_SHELL", "1");
        let output = CommandOutput::from(restart.output().unwrap());
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
        let code = "import os; print(os.environ['MY_TOKEN'], os.environ.get('ONLY_OF_THE_SHELL'), os.environ['TMPDIR'], os.getcwd(), sep='\\n')";
        let expected = format!("{secret}\nNone\n{}\n{}\n", tmp.display(), moved.display());
        assert_eq!(home.success(&["eval", code]), expected);
    }
    assert_eq!(files_with(home.directory(), secret), [""; 0]);
}

#[test]
fn killed_server_restarts_with_the_variables_of_the_shell_and_says_so() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let id = server["id"].as_str().unwrap();
    signal(server["pid"].as_u64().unwrap(), Signal::KILL);
    wait_until("it is gone", || home.json(&["status"])[0]["state"] == "dead");
    let environment = home.root().join("environments/runtime-host");
    let aside = home.directory().join("aside");
    fs::rename(&environment, &aside).unwrap();
    let output = home.run(&["restart", id]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(home.json(&["status"])[0]["id"], id, "its record stays, for another attempt");
    fs::rename(&aside, &environment).unwrap();
    let mut restart = home.command(&["restart", id]);
    let output = CommandOutput::from(restart.env("MY_TOKEN", "of here").output().unwrap());
    let notice = format!("notice: server {id} is gone, and its variables with it: it gets those of here\n");
    assert_eq!((output.code, output.stderr), (Some(0), notice));
    assert_eq!(home.success(&["eval", "import os; os.environ['MY_TOKEN']"]), "of here\n");
}

#[test]
fn server_comes_back_though_its_restart_is_interrupted() {
    for number in [Signal::INT, Signal::TERM, Signal::HUP] {
        let home = TestHome::with_runtime();
        let server = home.start(&["--drain", "60"]);
        let [ends, goes_on] = ["ends", "goes-on"].map(|name| home.directory().join(name));
        let code = format!(
            "import atexit, os, time\ndef wait():\n    open({ends:?}, 'w').close()\n    while not os.path.exists({goes_on:?}): time.sleep(0.01)\n\
             atexit.register(wait); None"
        );
        home.success(&["eval", "--session", "default", &code]);
        let mut restart = home.command(&["restart"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the old server ends", || ends.exists());
        signal(restart.id().into(), number);
        fs::write(goes_on, "").unwrap();
        assert_eq!(restart.wait().unwrap().signal(), Some(number.as_raw()), "as a command that is interrupted");
        let listed = home.json(&["status"]);
        assert_eq!((&listed[0]["id"], &listed[0]["state"]), (&server["id"], &"running".into()), "{listed}");
        assert_ne!(listed[0]["pid"], server["pid"]);
    }
}

/// The text of an answer over HTTP/1.1, after which the connection ends.
fn ask(stream: &mut TcpStream, path: &str) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The port of a backend of a server, and the path of its pipe.
fn endpoint<'a>(server: &'a serde_json::Value, backend: &str) -> &'a str {
    let endpoints = server["endpoints"].as_array().unwrap();
    let url = endpoints.iter().find(|endpoint| endpoint["backend"] == backend).unwrap()["url"].as_str().unwrap();
    url.rsplit(':').next().unwrap()
}

#[test]
fn what_connects_while_a_server_restarts_waits_for_the_new_one() {
    let home = TestHome::with_runtime();
    let start = ["start", "http", "pipe", "rpc", "--port", "0", "--rpc-port", "0", "--drain", "120"];
    let hosts = ["--host", "127.0.0.1", "--host", "127.0.0.2"];
    let server = home.json(&[&start[..], &hosts[..]].concat());
    let (http, rpc): (u16, u16) =
        (endpoint(&server, "http").parse().unwrap(), endpoint(&server, "rpc").parse().unwrap());
    let socket = endpoint(&server, "pipe");
    let [ends, goes_on] = ["ends", "goes-on"].map(|name| home.directory().join(name));
    let code = format!(
        "import atexit, os, time\ndef wait():\n    open({ends:?}, 'w').close()\n    while not os.path.exists({goes_on:?}): time.sleep(0.01)\n\
         atexit.register(wait); None"
    );
    home.success(&["eval", "--session", "default", &code]);
    let mut restart = home.command(&["restart"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the old server ends", || ends.exists());
    // It has handed its sockets over by now, and lives on until its session has ended.
    let mut waiting = [("127.0.0.1", http), ("127.0.0.2", http), ("127.0.0.1", rpc), ("127.0.0.2", rpc)]
        .map(|address| TcpStream::connect(address).expect("not refused"));
    let mut pipe = UnixStream::connect(socket).expect("not refused");
    pipe.write_all(b"{\"command\":\"ping\"}\n").unwrap();
    fs::write(goes_on, "").unwrap();
    assert!(restart.wait().unwrap().success());
    let listed = home.json(&["status"]);
    assert_eq!(listed[0]["endpoints"], server["endpoints"]);
    let new = format!("\"pid\":{}", listed[0]["pid"]);
    assert_ne!(listed[0]["pid"], server["pid"]);
    for (stream, path) in waiting.iter_mut().zip(["/health", "/health", "/rpc/HostService/Health", "/livez"]) {
        let answer = ask(stream, path);
        let expected = if path == "/health" { new.as_str() } else { "HTTP/1.1 " };
        assert!(answer.contains(expected), "{path}: {answer}");
    }
    pipe.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let mut line = String::new();
    BufReader::new(&pipe).read_line(&mut line).unwrap();
    assert!(line.contains(&new), "{line}");
    home.success(&["stop"]);
    assert!(!Path::new(socket).exists(), "the files of the pipe go with the new server");
    let left: Vec<_> = fs::read_dir(home.root().join("run")).unwrap().flatten().map(|file| file.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with("successor")), "{left:?}");
}

#[test]
fn every_client_is_answered_while_a_server_restarts() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let port: u16 = port_of(&server).parse().unwrap();
    let over = AtomicBool::new(false);
    let pids = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut pids = std::collections::BTreeSet::new();
                    while !over.load(Ordering::Relaxed) {
                        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("not refused");
                        let answer = ask(&mut stream, "/health");
                        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
                        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
                        let told: serde_json::Value = serde_json::from_str(body).unwrap();
                        pids.insert(told["pid"].as_u64().unwrap());
                    }
                    pids
                })
            })
            .collect();
        let restarted: Vec<_> = (0..3).map(|_| home.run(&["restart"])).collect();
        over.store(true, Ordering::Relaxed);
        assert!(restarted.iter().all(|output| output.code == Some(0)), "{restarted:?}");
        clients
            .into_iter()
            .flat_map(|client| client.join().expect("answered"))
            .collect::<std::collections::BTreeSet<_>>()
    });
    assert!(pids.contains(&server["pid"].as_u64().unwrap()) && pids.len() >= 3, "{pids:?}");
}
