//! A server whose descriptors are used up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use beep_python_client::connect;

use super::test_home::{CommandOutput, TestHome, port_of, wait_until};

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

#[test]
fn idle_connections_of_one_client_keep_no_health_waiting_where_descriptors_are_few() {
    let home = TestHome::with_runtime();
    let server = start(&home, 1024);
    let port = port_of(&server).parse().unwrap();
    let health = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let idle: Vec<_> = (0..700)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            // One that is closed at once cannot be written to.
            let _ = stream.write_all(health.as_bytes());
            stream
        })
        .collect();
    // A place that is kept back lasts for a moment, which a busy machine may miss.
    let asked = |path: &str| {
        let mut answer = String::new();
        wait_until(path, || {
            answer.clear();
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = stream.write_all(health.replace("/health", path).as_bytes());
            stream.read_to_string(&mut answer).is_ok() && !answer.is_empty()
        });
        answer
    };
    for path in ["/health", "/livez", "/readyz", "/metrics"] {
        let answer = asked(path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    let refused = asked("/api/sessions");
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("--max-peer-connections"), "{refused}");
    // Half of the places are left to others, as those of the pipe.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let over_pipe = connect(server["endpoints"][1]["url"].as_str().unwrap()).unwrap();
    assert_eq!(runtime.block_on(over_pipe.evaluate::<u8>("6 * 7")).unwrap(), 42);
    drop(idle);
    wait_until("their places are free", || home.run(&["eval", "6 * 7"]).stdout == "42\n");
}

#[test]
fn bound_of_connections_beyond_the_descriptors_is_refused() {
    let home = TestHome::with_runtime();
    let refused = home.run(&["start", "http", "--port", "0", "--max-connections", "4000000000"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for part in ["4000000000 connections", "--max-connections", "descriptors", "ulimit -n"] {
        assert!(refused.stderr.contains(part), "{part}: {refused:?}");
    }
    let bounds = ["--max-connections", "30", "--max-peer-connections", "20", "--max-requests", "10"];
    let server = home.start(&bounds);
    home.success(&["restart", server["id"].as_str().unwrap()]);
    let process = home.json(&["status"])[0]["pid"].to_string();
    let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap().replace('\0', " ");
    assert!(line.contains(&bounds.join(" ")), "{line}");
}
