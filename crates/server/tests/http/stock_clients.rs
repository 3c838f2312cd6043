//! What clients of many languages do by themselves.

use serde_json::json;

use crate::gate::Gate;
use crate::support::Server;

#[test]
fn an_empty_body_may_be_labelled_as_its_client_likes() {
    let server = Server::start();
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"] {
        let labelled = [("content-type", kind)];
        let mut connection = server.connect();
        assert_eq!(connection.post("/api/sessions/default/interrupt", &labelled, "").status, 200, "{kind}");
        connection.post("/api/eval", &labelled, "").expect_problem(400, "invalid_request");
        connection.post("/api/eval", &labelled, "{}").expect_problem(415, "unsupported_media_type");
        connection.post("/api/put", &labelled, "").expect_problem(415, "unsupported_media_type");
    }
}

#[test]
fn clients_that_take_json_first_get_json() {
    let server = Server::start();
    let body = json!({ "expression": "1" }).to_string();
    for (accept, kind) in [
        ("application/json, text/event-stream", "application/json"),
        ("text/event-stream;q=0.9, application/json", "application/json"),
        ("*/*", "application/json"),
        ("Text/Event-Stream", "text/event-stream"),
        ("text/html, application/x-ndjson;q=0.5", "application/x-ndjson"),
    ] {
        let answer = server.connect().post("/api/eval", &[("accept", accept)], &body);
        assert_eq!(answer.header("content-type"), Some(kind), "{accept}");
    }
    let two = [("accept", "text/html"), ("accept", "text/event-stream")];
    assert_eq!(server.connect().post("/api/eval", &two, &body).header("content-type"), Some("text/event-stream"));
}

#[test]
fn encoded_paths_and_options_said_twice_are_read() {
    let server = Server::start();
    assert_eq!(server.get("/api/sessions/%64efault").json()["sessionId"], "default");
    server.get("/api/sessions/a%2Fevents").expect_problem(404, "unknown_session");
    let body = json!({ "expression": "1" }).to_string();
    let twice =
        |one, other| server.connect().post("/api/eval", &[("x-beep-session", one), ("x-beep-session", other)], &body);
    assert_eq!(twice("default", "default").status, 200);
    let problem = twice("default", "other").expect_problem(400, "invalid_request");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("X-Beep-Session")), "{problem}");
}

#[test]
fn keys_that_would_go_unread_and_numbers_that_json_lacks_are_named() {
    let server = Server::start();
    for (body, said) in [
        (r#"{"expression":"1","TimeoutMs":5}"#, "'TimeoutMs': there is no such key; did you mean 'timeoutMs'?"),
        (r#"{"Expression":"1"}"#, "'Expression': there is no such key; did you mean 'expression'?"),
        (r#"{"expression":"1","locals":{"a":NaN}}"#, r#"write {"$float": "NaN"}"#),
    ] {
        let problem = server.connect().post("/api/eval", &[], body).expect_problem(400, "invalid_request");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{body}: {problem}");
    }
    let float = json!({ "expression": "type(a).__name__", "locals": { "a": { "$float": 1 } }, "values": "exact" });
    assert_eq!(server.post("/api/eval", float).json()["value"], "float");
}

#[test]
fn every_status_has_words() {
    let server = Server::start();
    let gate = Gate::new();
    let body = json!({ "expression": gate.before("1"), "requestId": "r" }).to_string();
    std::thread::scope(|scope| {
        let called = scope.spawn(|| server.connect().post("/api/eval", &[], &body));
        gate.begun();
        assert_eq!(server.post("/api/cancel", json!({ "requestId": "r" })).status, 200);
        let cancelled = called.join().expect("no panic");
        assert!(cancelled.head.starts_with("HTTP/1.1 499 Cancelled\r\n"), "{}", cancelled.head);
    });
}
