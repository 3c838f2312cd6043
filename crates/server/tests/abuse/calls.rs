//! Code that runs for a client who sends it away, or goes.

use std::io::Write;

use crate::attack::{is_answered, say, with_server};
use crate::frames::*;
use crate::gate::Gate;
use crate::server::Server;

/// The answer to another client that evaluates this.
fn answer(server: &Server, code: &str) -> Heard {
    let stream = connect(server.rpc);
    (&stream).write_all(&evaluate(1, code)).expect("sent");
    listen(&stream, |heard| heard.headers == 2)
}

#[test]
fn code_of_streams_that_are_reset_is_cancelled() {
    with_server(|server| {
        let (gate, count) = (Gate::new(), 200);
        let endless = format!("runs = globals().get('runs', 0) + 1\n{}", gate.before("undisturbed = True"));
        let calls: Vec<u8> = (0..count).flat_map(|request| evaluate(stream_of(request), &endless)).collect();
        let cancel = |request| frame(RST_STREAM, 0, stream_of(request), &CANCEL.to_be_bytes());
        let stream = connect(server.rpc);
        (&stream).write_all(&calls).expect("sent");
        gate.begun();
        // All that it has sent was read, and the calls behind the one that runs wait.
        (&stream).write_all(&frame(PING, 0, 0, b"received")).expect("sent");
        listen(&stream, |heard| heard.pongs == 1);
        (&stream).write_all(&(1..count).flat_map(cancel).collect::<Vec<u8>>()).expect("sent");
        let inspect = "GET /api/sessions/default/inspect HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        // The calls that wait are listed, where there are any.
        while say(server.http, inspect.as_bytes()).contains(r#""waiting":[{"#) {}
        (&stream).write_all(&cancel(0)).expect("sent");
        // Calls run in order of arrival, and this one comes last.
        let heard = answer(server, "f\"{runs} {globals().get('undisturbed')}\"");
        assert!(heard.has_value("\"1 None\""), "{heard:?}");
        is_answered(server);
    });
}

#[test]
fn a_client_that_says_goodbye_gets_its_answer() {
    with_server(|server| {
        let gate = Gate::new();
        let stream = connect(server.rpc);
        (&stream).write_all(&evaluate(1, &gate.before("6 * 7"))).expect("sent");
        gate.begun();
        (&stream).write_all(&frame(GOAWAY, 0, 0, &[0; 8])).expect("sent");
        gate.open();
        // To the end of the connection, which the server closes.
        let heard = listen(&stream, |_| false);
        assert!(heard.headers == 2 && heard.has_value("42"), "{heard:?}");
        is_answered(server);
    });
}
