//! The command as the first process of a container, for which a namespace of process ids stands in.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::test_home::{CommandOutput, Ended, TestHome, python, signal, wait_until};

const TOKEN: &str = "secret-1-which-is-long-enough";

/// A command that runs this one as the first process of a namespace; `None` where this user may make none.
fn first(home: &TestHome, arguments: &[&str]) -> Option<Command> {
    let namespace = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if !Command::new("unshare").args(namespace).arg("true").status().unwrap().success() {
        eprintln!("skipped: it takes root to make a namespace of process ids");
        return None;
    }
    let here = home.command(arguments);
    let mut command = Command::new("unshare");
    command.args(namespace).arg(here.get_program()).args(here.get_args()).current_dir(home.directory());
    command.envs(here.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    Some(command)
}

/// The only child of a process.
fn child_of(pid: u32) -> u32 {
    let children = || std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    wait_until("it has a child", || !children().is_empty());
    children().split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn first_process_reaps_what_it_did_not_start_and_passes_signals_on() {
    let home = TestHome::with_runtime();
    let Some(mut start) = first(&home, &["start", "pipe", "--foreground"]) else { return };
    let mut server = Ended(start.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("is ready"), "{line}");
    let init = child_of(server.0.id());
    let id = home.json(&["status"])[0]["id"].as_str().unwrap().to_owned();

    // What enters the namespace from outside, and leaves a process behind, as `docker exec` does.
    let entered = Command::new("nsenter")
        .args(["--target", &init.to_string(), "--pid", "--mount", "sh", "-c", "sleep 0.1 & echo $!"])
        .output()
        .unwrap();
    let orphan = String::from_utf8(entered.stdout).unwrap().trim().to_owned();
    let there = format!("import os; os.path.exists('/proc/{orphan}')");
    wait_until("the orphan is reaped", || home.success(&["eval", "--server", &id, &there]) == "False\n");

    signal(init.into(), Signal::TERM);
    assert_eq!(server.0.wait().unwrap().code(), Some(0), "it stopped as it was told");
    assert_eq!(home.json(&["status"]), serde_json::json!([]));
}

#[test]
fn first_process_ends_as_its_command_does() {
    let home = TestHome::with_runtime();
    for (code, status) in [("1 + 1", 0), ("import sys; sys.exit(7)", 7), ("1 / 0", 1)] {
        let Some(mut eval) = first(&home, &["eval", code]) else { return };
        let output = CommandOutput::from(eval.output().unwrap());
        assert_eq!(output.code, Some(status), "{code}: {output:?}");
    }
    let version = CommandOutput::from(first(&home, &["--version"]).unwrap().output().unwrap());
    assert!(version.code == Some(0) && version.stdout.starts_with("beep-python "), "{version:?}");
}

#[test]
fn variables_of_the_first_process_are_shown_to_no_session() {
    let home = TestHome::with_runtime();
    let Some(mut start) = first(&home, &["start", "pipe", "--foreground", "--hide-env", "CLOUD_KEY"]) else { return };
    start.env("BEEP_PYTHON_TOKEN", TOKEN).env("CLOUD_KEY", "secret-2").stdout(Stdio::piped());
    let mut server = Ended(start.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("is ready"), "{line}");
    let init = child_of(server.0.id());
    let server_id = home.json(&["status"])[0]["id"].as_str().unwrap().to_owned();
    let code = "import glob, os\n\
                blocks = [open(path).read() for path in glob.glob('/proc/[0-9]*/environ')]\n\
                os.path.exists('/proc/1/environ'), any('secret' in block for block in blocks)";
    let mut eval = home.command(&["eval", "--server", &server_id, code]);
    let seen = CommandOutput::from(eval.env("BEEP_PYTHON_TOKEN", TOKEN).output().unwrap());
    assert_eq!(seen.stdout, "(True, False)\n", "{seen:?}");
    signal(init.into(), Signal::TERM);
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
}

#[test]
fn client_outside_of_the_container_needs_a_token_over_the_pipe() {
    let home = TestHome::with_runtime();
    let Some(mut start) = first(&home, &["start", "pipe", "--foreground"]) else { return };
    let mut server = Ended(start.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let init = child_of(server.0.id());
    let url = home.json(&["status"])[0]["endpoints"][0]["url"].as_str().unwrap().to_owned();
    let code = "import json, socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); \
                s.sendall(json.dumps({'command': 'ping', 'token': sys.argv[2]}).encode() + b'\\n'); print(s.makefile().readline())";
    let ask = |token: &str| {
        let arguments = ["-c", code, url.trim_start_matches("unix:"), token];
        CommandOutput::from(Command::new(python()).args(arguments).output().unwrap()).stdout
    };
    let refused = ask("none");
    assert!(
        refused.contains(r#""code":"unauthorized""#) && refused.contains("as `token` in the first line"),
        "{refused}"
    );
    let token = std::fs::read_to_string(home.root().join("token")).unwrap();
    assert!(ask(token.trim()).contains(r#""status":"ok""#));
    signal(init.into(), Signal::TERM);
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
}
