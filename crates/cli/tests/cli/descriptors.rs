//! A server whose descriptors are used up.

use std::os::unix::net::UnixStream;
use std::process::Command;

use super::test_home::{CommandOutput, TestHome, wait_until};

/// Starts a server that may have this many descriptors.
fn start(home: &TestHome, descriptors: usize) -> serde_json::Value {
    let start = home.command(&["start", "http", "pipe", "rpc", "--port", "0", "--rpc-port", "0", "--json"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {descriptors}; exec \"$@\""), "sh"]);
    limited.arg(start.get_program()).args(start.get_args()).current_dir(home.directory());
    limited.envs(start.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let started = CommandOutput::from(limited.output().unwrap());
    serde_json::from_str(&started.stdout).unwrap_or_else(|error| panic!("{error}: {started:?}"))
}

#[test]
fn own_user_is_known_whatever_connects_before_the_first_request() {
    let home = TestHome::with_runtime();
    let server = start(&home, 128);
    let socket = server["endpoints"][1]["url"].as_str().unwrap().strip_prefix("unix:").unwrap();
    let connections: Vec<_> = (0..200).map(|_| UnixStream::connect(socket).unwrap()).collect();
    for _ in 0..2 {
        // Over HTTP, which is the first endpoint.
        assert_eq!(home.success(&["eval", "--session", "default", "6 * 7"]), "42\n");
    }
    drop(connections);
    assert_eq!(home.success(&["eval", "--session", "default", "6 * 7"]), "42\n");
}

#[test]
fn session_that_would_take_the_last_descriptors_is_refused_with_the_reason() {
    let home = TestHome::with_runtime();
    let server = start(&home, 160);
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", server["pid"])).unwrap().count();
    let (mut sessions, mut before) = (Vec::new(), Vec::new());
    let refused = loop {
        before.push(descriptors());
        let output = home.run(&["session", "create"]);
        if output.code != Some(0) {
            break output;
        }
        sessions.push(output.stdout.trim().to_owned());
        assert!(sessions.len() < 100);
    };
    assert!(refused.stderr.contains("Too many open files"), "{refused:?}");
    assert!(!refused.stderr.contains("zygote ended"), "{refused:?}");
    assert!(sessions.len() > 2, "{sessions:?}");
    // What is left is enough to serve clients, to end sessions, and to stop.
    assert_eq!(home.success(&["eval", "--session", &sessions[0], "6 * 7"]), "42\n");
    home.success(&["session", "delete", &sessions[0]]);
    home.success(&["session", "delete", &sessions[1]]);
    // Connections and sessions are closed soon after their answers. Of two sessions one is to spare.
    let enough = before[before.len() - 3];
    wait_until("their descriptors are free", || descriptors() <= enough);
    home.success(&["session", "create"]);
    home.success(&["stop"]);
    home.wait_until_no_process_is_left();
}
