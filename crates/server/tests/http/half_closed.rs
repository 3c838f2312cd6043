//! Clients that shut down their writing side once they have sent their request, as `nc -N` does: they are answered.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};

use crate::gate::Gate;
use crate::support::Server;

/// A request whose client sends nothing more once its code runs.
fn half_closed(server: &Server, path: &str, gate: &Gate, body: Value) -> TcpStream {
    let (mut stream, body) = (TcpStream::connect(("127.0.0.1", server.port)).expect("connected"), body.to_string());
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).expect("sent");
    gate.begun();
    stream.shutdown(Shutdown::Write).expect("half closed");
    stream
}

#[test]
fn a_client_that_sends_nothing_more_is_answered_and_the_connection_closed() {
    let server = Server::start();
    for cancels in [false, true] {
        for (path, answer) in [("/api/eval", r#"{"value":42"#), ("/api/execute", "event: result\ndata: {\"value\":42")]
        {
            let gate = Gate::new();
            let body = json!({ "expression": gate.before("6 * 7"), "cancelOnDisconnect": cancels });
            let mut stream = half_closed(&server, path, &gate, body);
            // A server that takes the client for gone would have cancelled the call before this one is answered.
            assert_eq!(server.get("/health").status, 200);
            gate.open();
            let mut text = String::new();
            stream.read_to_string(&mut text).expect("an answer and the end");
            assert!(text.starts_with("HTTP/1.1 200") && text.contains(answer), "{path} {cancels}: {text}");
        }
    }
}

#[test]
fn a_client_that_sends_nothing_more_and_then_goes_cancels_its_call() {
    let server = Server::start();
    server.eval("kept = 1");
    let gate = Gate::new();
    let body = json!({ "expression": format!("{}\nwhile True: pass", gate.before("")), "cancelOnDisconnect": true });
    let stream = half_closed(&server, "/api/eval", &gate, body);
    gate.open();
    drop(stream);
    assert_eq!(server.eval("kept"), 1, "the session is free again");
}
