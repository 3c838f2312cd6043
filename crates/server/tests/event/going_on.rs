//! Clients of server-sent events that lose their connection, and ask for what they have not seen.

use std::io::Read;

use serde_json::{Value, json};

use super::execute::body_of;
use crate::gate::Gate;
use crate::http::{Connection, Server};

/// The id and the data of each event.
fn events(text: &str) -> Vec<(String, Value)> {
    let of = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.to_owned()
    };
    let all = text.split_terminator("\n\n");
    all.map(|event| (of(event, "id: "), serde_json::from_str(&of(event, "data: ")).expect("JSON"))).collect()
}

/// Starts a call, and reads until this is there.
fn begun(server: &Server, code: &str, until: &str) -> (Connection, String) {
    let mut connection = server.connect();
    let body = json!({ "expression": code }).to_string();
    let head = format!(
        "POST /api/execute HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    connection.send(format!("{head}\r\n{body}").as_bytes());
    let text = read_until(&mut connection, until);
    let id = text.lines().rev().find_map(|line| line.strip_prefix("id: ")).expect("an id").to_owned();
    (connection, id)
}

fn read_until(connection: &mut Connection, until: &str) -> String {
    let mut text = String::new();
    while !text.contains(until) {
        let mut buffer = [0; 1024];
        let read = connection.stream.read(&mut buffer).expect("more");
        assert!(read > 0, "it ended without {until:?}: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

/// What a client gets that has this event, and sends the request again.
fn again(server: &Server, path: &str, last: &str) -> (String, String) {
    body_of(server, path, &[("last-event-id", last)], &json!({ "expression": "ran += 1" }))
}

#[test]
fn a_request_that_is_sent_again_goes_on_and_runs_nothing() {
    let server = Server::start();
    server.eval("ran = 0");
    let gate = Gate::new();
    let code = format!("ran += 1\nprint('a')\n{}\nprint('b')\nran", gate.before("None"));
    let (connection, id) = begun(&server, &code, "\"a\\n\"");
    drop(connection);
    gate.begun();
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| again(&server, "/api/execute", &id));
        gate.open();
        waiting.join().expect("no panic")
    });
    let (head, text) = waiting;
    assert!(head.contains("200 ok") && head.contains("content-type: text/event-stream"), "{head}");
    let told = events(&text);
    assert_eq!(told[0].1, json!({ "text": "b\n" }));
    assert_eq!(told.last().expect("a result").1["value"], 1);
    // The end is kept too, and ids go on where they were.
    let (call, number) = id.rsplit_once('.').expect("a number");
    let number: usize = number.parse().expect("a number");
    assert_eq!(
        told.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(),
        (1..=told.len()).map(|at| format!("{call}.{}", number + at)).collect::<Vec<_>>()
    );
    assert_eq!(events(&again(&server, "/api/execute", &told[0].0).1), told[1..]);
    for gone in [&told.last().expect("a result").0, &format!("{call}.99"), "nothing.1", "x", &format!("{call}.")] {
        for path in ["/api/execute", "/api/eval", "/api/stream", "/api/fetch"] {
            let (head, _) = again(&server, path, gone);
            assert!(head.contains("204 no content"), "{gone}: {head}");
        }
    }
    assert_eq!(server.eval("ran"), 1, "no request with an id has run anything");
}

#[test]
fn a_connection_that_goes_on_takes_the_events_from_the_one_before() {
    let server = Server::start();
    let gate = Gate::new();
    let code = format!("print('a')\n{}\n'end'", gate.before("None"));
    let (mut first, id) = begun(&server, &code, "\"a\\n\"");
    gate.begun();
    let mut second = server.connect();
    let head =
        format!("POST /api/execute HTTP/1.1\r\nhost: localhost\r\nlast-event-id: {id}\r\ncontent-length: 0\r\n\r\n");
    second.send(head.as_bytes());
    read_until(&mut second, "text/event-stream");
    gate.open();
    let text = read_until(&mut second, "event: result");
    assert!(text.contains("'end'"), "{text}");
    first.stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let mut rest = String::new();
    first.stream.read_to_string(&mut rest).expect("the end");
    assert!(!rest.contains("event: result"), "{rest}");
}

#[test]
fn calls_that_end_with_their_client_have_no_ids() {
    let server = Server::start();
    let code = json!({ "expression": "[1]" });
    for (path, header) in [
        ("/api/stream", ("x-beep-session", "default")),
        ("/api/execute", ("x-beep-cancel-on-disconnect", "true")),
        ("/api/execute", ("x-beep-capabilities", "stdin")),
        ("/api/execute", ("accept", "application/x-ndjson")),
    ] {
        let (_, text) = body_of(&server, path, &[header], &code);
        assert!(text.contains("result") && !text.contains("id: "), "{path} {header:?}: {text}");
    }
}

#[test]
fn what_is_kept_of_a_call_is_bounded() {
    let server = Server::start();
    let code = "for i in range(40):\n    print(str(i) + 'x' * 100_000, flush=True)";
    let (_, text) = body_of(&server, "/api/execute", &[], &json!({ "expression": code }));
    let all = events(&text);
    assert!(text.len() > 2 << 20, "{}", text.len());
    assert!(again(&server, "/api/execute", &all[0].0).0.contains("204 no content"), "too much came since");
    assert_eq!(events(&again(&server, "/api/execute", &all[all.len() - 2].0).1), all[all.len() - 1..]);
}

#[test]
fn something_is_sent_while_nothing_happens() {
    let server = Server::start();
    let code = json!({ "expression": "import time; time.sleep(15.5)" });
    std::thread::scope(|scope| {
        let calls = [("text/event-stream", "\n\n:\n\n"), ("application/x-ndjson", "\n\n")].map(|(accept, nothing)| {
            let (server, code) = (&server, &code);
            let session =
                server.post("/api/sessions", json!({})).json()["sessionId"].as_str().expect("an id").to_owned();
            let headers =
                [("accept", accept), ("x-beep-session", &session)].map(|(name, value)| (name, value.to_owned()));
            scope.spawn(move || {
                let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
                let (_, text) = body_of(server, "/api/eval", &headers, code);
                assert!(format!("\n\n{text}").contains(nothing) && text.contains("result"), "{accept}: {text:?}");
            })
        });
        calls.into_iter().for_each(|call| call.join().expect("no panic"));
    });
}
