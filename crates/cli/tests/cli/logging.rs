//! `BEEP_PYTHON_LOG`: one filter for commands and for the servers that they start.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Instant;

use super::test_home::{CommandOutput, TestHome, port_of};

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

/// The body of the next answer of a connection.
fn read_body(answers: &mut impl BufRead) -> String {
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
    String::from_utf8(body).unwrap()
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
            assert!(read_body(&mut answers).contains("forbidden_host"));
        }
    }
    let log = home.success(&["logs", "--lines", "100000"]);
    let lines = log.lines().filter(|line| line.contains("a request was refused")).count();
    let most = 200 + began.elapsed().as_secs() as usize + 1;
    assert!((200..=most).contains(&lines), "{lines} lines of {} requests", 2 * FLOOD);
    let names = |line: &&str| line.contains("code=\"forbidden_host\"") && line.contains("client=this user");
    assert_eq!(log.lines().filter(names).count(), lines, "each says whose it was");
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

#[test]
fn a_full_log_makes_room_for_a_new_one_and_logs_shows_them_all() {
    const MAX: u64 = 64 << 10;
    let home = TestHome::with_runtime();
    let mut start = home.command(&["start", "http", "--port", "0", "--max-log", "64K", "--log-files", "3", "--json"]);
    let started = start.env("BEEP_PYTHON_LOG", "debug").output().unwrap();
    let server: serde_json::Value = serde_json::from_slice(&started.stdout).unwrap();
    let follow = home.command(&["logs", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    // Each call that arrives is logged, with its request id.
    let ids: Vec<_> = (0..2000).map(|number| format!("call-{number:04}")).collect();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{}", port_of(&server))).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    for id in &ids {
        let head = "POST /api/eval HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 18";
        let request = format!("{head}\r\nx-beep-request: {id}\r\n\r\n{{\"expression\":\"1\"}}");
        stream.write_all(request.as_bytes()).unwrap();
        assert!(read_body(&mut answers).contains("\"value\":1"));
    }
    let files = || {
        let files = fs::read_dir(home.root().join("logs")).unwrap().map(|file| file.unwrap());
        let mut files: Vec<_> = files.map(|file| (file.file_name(), file.metadata().unwrap().len())).collect();
        files.sort();
        files
    };
    let there = files();
    let id = server["id"].as_str().unwrap();
    let names: Vec<_> = there.iter().map(|file| file.0.to_str().unwrap()).collect();
    assert_eq!(names, [format!("{id}.log"), format!("{id}.log.1"), format!("{id}.log.2")]);
    assert!(there.iter().all(|file| file.1 <= MAX) && there[1..].iter().all(|file| file.1 > MAX - 1000), "{there:?}");
    let logged = |log: &str| -> Vec<String> {
        let arrived = log.lines().filter(|line| line.contains("a call arrived"));
        arrived.filter_map(|line| Some(line.split_once("request_id=\"")?.1.get(..9)?.to_owned())).collect()
    };
    let kept = logged(&home.success(&["logs"]));
    assert!(kept.len() > 300 && kept.len() < ids.len() && ids.ends_with(&kept), "{kept:?}");
    assert_eq!(logged(&home.success(&["logs", "-n", "300"])), ids[ids.len() - 300..], "of several files");
    home.success(&["restart"]);
    assert_eq!(files().len(), 3, "the settings stay");
    home.success(&["stop"]);
    let followed = follow.wait_with_output().unwrap();
    assert_eq!(logged(&String::from_utf8(followed.stdout).unwrap()).last(), ids.last());
    // There is no room for one event.
    assert_eq!(home.run(&["start", "http", "--max-log", "1K"]).code, Some(2));
}
