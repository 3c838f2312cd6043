//! Refusals while a client still sends its body: they can be read, and nobody is told to send what is not taken.

use std::io::{Read, Write};
use std::net::TcpStream;

use beep_python_server::auth::AccessConfig;

use crate::support::Server;

/// What the server says to a request whose body is sent whole, before anything is read.
fn said(port: u16, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(body).expect("the body is taken, or discarded");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer, and no reset");
    String::from_utf8(answer).expect("UTF-8")
}

#[test]
fn a_client_that_sends_a_large_body_reads_why_it_is_refused() {
    let server = Server::with(AccessConfig { max_body_bytes: 4 << 20, ..AccessConfig::default() });
    let large = vec![b'x'; 6 << 20];
    let chunked = [format!("{:x}\r\n", large.len()).as_bytes(), &large, b"\r\n0\r\n\r\n"].concat();
    let length = format!("content-length: {}\r\n", large.len());
    for (headers, body, code) in [
        (format!("host: evil.example\r\n{length}"), &large, "forbidden_host"),
        (format!("host: localhost\r\n{length}"), &large, "body_too_large"),
        ("host: localhost\r\ntransfer-encoding: chunked\r\n".to_owned(), &chunked, "body_too_large"),
        ("host: evil.example\r\ntransfer-encoding: chunked\r\n".to_owned(), &chunked, "forbidden_host"),
    ] {
        let head = format!("POST /api/eval HTTP/1.1\r\ncontent-type: application/json\r\n{headers}\r\n");
        let answer = said(server.port, &head, body);
        assert!(answer.contains(code), "{headers}: {answer}");
    }
}

#[test]
fn a_client_that_waits_is_told_to_go_on_only_where_its_body_is_taken() {
    let server = Server::with(AccessConfig { max_body_bytes: 1000, ..AccessConfig::default() });
    let body = r#"{"expression":"6 * 7"}"#;
    let ask = |headers: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
        let head = format!("POST /api/eval HTTP/1.1\r\nexpect: 100-continue\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        let mut first = vec![0; 12];
        stream.read_exact(&mut first).expect("an answer");
        (stream, String::from_utf8(first).expect("ASCII"))
    };
    let json = "content-type: application/json\r\n";
    for (headers, status) in [
        (format!("host: evil.example\r\n{json}content-length: {}\r\n", body.len()), "403"),
        (format!("host: localhost\r\norigin: https://evil.example\r\n{json}content-length: 5\r\n"), "403"),
        (format!("host: localhost\r\n{json}content-length: 5000\r\n"), "413"),
        ("host: localhost\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n".to_owned(), "415"),
    ] {
        assert_eq!(ask(&headers).1, format!("HTTP/1.1 {status}"), "{headers}");
    }
    let (mut stream, first) =
        ask(&format!("host: localhost\r\n{json}content-length: {}\r\nconnection: close\r\n", body.len()));
    assert_eq!(first, "HTTP/1.1 100");
    stream.write_all(body.as_bytes()).expect("sent");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("an answer");
    assert!(rest.contains(r#"{"value":42"#), "{rest}");
}

#[test]
fn a_head_that_cannot_be_read_is_answered_with_the_reason() {
    let server = Server::start();
    let long = "x".repeat(70_000);
    let many: String = (0..200).map(|number| format!("h{number}: 1\r\n")).collect();
    for (head, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n"), "414"),
        (format!("GET /health HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"), "431"),
    ] {
        let answer = said(server.port, &head, b"");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let problem: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!((&problem["code"], problem["status"].to_string()), (&"invalid_request".into(), status.to_owned()));
    }
}

#[test]
fn data_that_look_like_a_refusal_stay_what_they_are() {
    let server = Server::start();
    let mut connection = server.connect();
    let tail = r"HTTP/1.1 400 x\r\ncontent-length: 0\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
    for pieces in 0..5 {
        // The tail is a piece of its own, and written alone where all before it has been.
        let expression = format!("b'x' * (262144 * {pieces}) + b'{tail}'");
        let headers = [("content-type", "application/json"), ("accept", "application/octet-stream")];
        let answer =
            connection.post("/api/fetch", &headers, &serde_json::json!({ "expression": expression }).to_string());
        let data = tail.replace(r"\r\n", "\r\n");
        assert!(
            answer.body.ends_with(data.as_bytes()),
            "{pieces}: {}",
            String::from_utf8_lossy(&answer.body[262_144 * pieces..])
        );
        assert_eq!(connection.request("GET", "/health", &[], "").json()["status"], "ok", "{pieces}");
    }
}
