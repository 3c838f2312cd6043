//! `BEEP_PYTHON_LOG`: one filter for commands and for the servers that they start.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::test_home::{CommandOutput, TestHome};

fn with_filter(home: &TestHome, filter: &str, arguments: &[&str]) -> CommandOutput {
    CommandOutput::from(home.command(arguments).env("BEEP_PYTHON_LOG", filter).output().unwrap())
}

#[test]
fn eval_shows_the_log_of_its_own_server_on_request() {
    let home = TestHome::with_runtime();
    let logged = with_filter(&home, "info", &["eval", "6 * 7"]);
    assert_eq!((logged.stdout.as_str(), logged.code), ("42\n", Some(0)), "{logged:?}");
    assert!(logged.stderr.contains("INFO"), "{logged:?}");
    for quiet in [with_filter(&home, "off", &["eval", "6 * 7"]), home.run(&["eval", "6 * 7"])] {
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("42\n", ""));
    }
    assert_eq!(fs::read_dir(home.root().join("logs")).unwrap().count(), 0, "no log is left");
}

#[test]
fn started_server_logs_with_the_filter_of_its_start() {
    let home = TestHome::with_runtime();
    for (filter, logs) in [("off", false), ("info", true), ("", true)] {
        assert_eq!(with_filter(&home, filter, &["start", "http", "--port", "0"]).code, Some(0));
        assert_eq!(home.success(&["logs"]).contains("INFO"), logs, "{filter:?}");
        home.success(&["stop"]);
    }
}

#[test]
fn invalid_log_filter_is_reported_and_ignored() {
    let home = TestHome::new();
    let output = with_filter(&home, "beep_python=loud", &["status"]);
    assert_eq!((output.stdout.as_str(), output.code), ("No server is running.\n", Some(0)));
    assert!(
        output.stderr.starts_with("warning: BEEP_PYTHON_LOG=\"beep_python=loud\" is not a log filter ("),
        "{output:?}"
    );
}

#[test]
fn a_flood_of_refused_requests_is_counted_and_does_not_fill_the_log() {
    const FLOOD: usize = 2000;
    let home = TestHome::with_runtime();
    let server = home.json(&["start", "http", "rpc", "--port", "0", "--rpc-port", "0"]);
    let began = Instant::now();
    for endpoint in server["endpoints"].as_array().unwrap() {
        let mut stream = TcpStream::connect(endpoint["url"].as_str().unwrap().rsplit('/').next().unwrap()).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        for _ in 0..FLOOD {
            stream.write_all(b"GET /health HTTP/1.1\r\nhost: evil.example\r\n\r\n").unwrap();
            let mut length = 0;
            loop {
                let mut line = String::new();
                answers.read_line(&mut line).unwrap();
                if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                    length = bytes.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            answers.read_exact(&mut body).unwrap();
            assert!(String::from_utf8_lossy(&body).contains("forbidden_host"));
        }
    }
    let log = home.success(&["logs", "--lines", "100000"]);
    let lines = log.lines().filter(|line| line.contains("a request was refused")).count();
    let most = 200 + began.elapsed().as_secs() as usize + 1;
    assert!((200..=most).contains(&lines), "{lines} lines of {} requests", 2 * FLOOD);
}

#[test]
fn log_in_json_has_an_object_on_each_line() {
    let home = TestHome::with_runtime();
    let mut start = home.command(&["start", "http", "--port", "0", "--log-format", "json"]);
    assert!(start.env("BEEP_PYTHON_LOG", "debug").output().unwrap().status.success());
    home.run(&["eval", "--session", "default", "import os; os._exit(3)"]);
    home.success(&["eval", "--session", "default", "1 + 1"]);
    home.success(&["restart"]); // which keeps the format
    home.success(&["eval", "--session", "default", "1 + 1"]);
    let log = home.success(&["logs"]);
    home.success(&["stop"]);
    let events: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert!(events.iter().all(|event| event["timestamp"].is_string() && event["level"].is_string()), "{log}");
    assert!(events.iter().any(|event| event["message"] == "ready"), "{log}");
    let of_session =
        |event: &serde_json::Value| event["spans"][0]["name"] == "session" && event["spans"][0]["id"] == "default";
    assert!(events.iter().any(of_session), "{log}");
}
