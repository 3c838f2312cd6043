//! Floods and requests without end over HTTP/1.1, on both ports.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::attack::{harms_no_other, is_answered, say, say_deaf, with_server};

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
const CHUNKED: &str = "host: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{\"expression\":\"1\r\n";
/// The first line of a call, for each port.
const EVAL: &str = "POST /api/eval HTTP/1.1\r\n";
const RPC_EVAL: &str = "POST /rpc/PythonService/Evaluate HTTP/1.1\r\n";

#[test]
fn requests_by_the_thousand() {
    const MANY: usize = 3000;
    let last = HEALTH.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let flood = HEALTH.repeat(MANY - 1) + &last;
    let deaf = HEALTH.repeat(20 * MANY);
    harms_no_other(32, |server| {
        for port in [server.http, server.rpc] {
            assert_eq!(say(port, flood.as_bytes()).matches("HTTP/1.1 ").count(), MANY);
            // Answers that are not read hold back the requests.
            let stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
            say_deaf(server, &stream, deaf.as_bytes());
        }
    });
}

#[test]
fn chunks_whose_extensions_never_end() {
    let one = format!("2;{}", "x".repeat(1 << 20));
    let each = format!("1;{}\r\nx\r\n", "x".repeat(1000)).repeat(1000);
    for endless in [one, each] {
        let request = [CHUNKED, &endless].concat();
        ends_with(&request, &["HTTP/1.1 400 "]);
    }
}

#[test]
fn trailers_that_never_end() {
    for endless in [format!("x: {}", "y".repeat(1 << 20)), "x: y\r\n".repeat(100_000)] {
        let request = [CHUNKED, "2\r\n\"}\r\n0\r\n", &endless].concat();
        ends_with(&request, &["HTTP/1.1 400 "]);
    }
}

#[test]
fn heads_that_never_end() {
    let many: String = (0..50_000).map(|number| format!("h{number}: 1\r\n")).collect();
    let long = format!("x: {}", "y".repeat(2 << 20));
    for endless in [many, long] {
        ends_with(&format!("host: localhost\r\n{endless}"), &["HTTP/1.1 431 "]);
    }
}

/// Both ports end such a request with one of these answers, and the connection with it. Where the client had sent more than was read,
/// the system may have dropped the answer.
fn ends_with(request: &str, answers: &[&str]) {
    let requests = [EVAL, RPC_EVAL].map(|line| [line, request].concat());
    harms_no_other(32, |server| {
        for (port, request) in [server.http, server.rpc].iter().zip(&requests) {
            let said = say(*port, request.as_bytes());
            assert!(said.is_empty() || answers.iter().any(|answer| said.starts_with(answer)), "{said}");
        }
    });
}

#[test]
fn slow_heads_hold_up_no_other_and_are_answered_in_the_end() {
    with_server(|server| {
        let mut slow = Vec::new();
        for number in 0..400 {
            let stream = TcpStream::connect(("127.0.0.1", [server.http, server.rpc][number % 2])).expect("connected");
            (&stream).write_all(&HEALTH.as_bytes()[..number / 2 % (HEALTH.len() - 1)]).expect("sent");
            slow.push(stream);
        }
        is_answered(server);
        // One byte more of each at a time.
        for sent in 0..HEALTH.len() {
            for (number, mut stream) in slow.iter().enumerate() {
                let already = number / 2 % (HEALTH.len() - 1);
                if sent >= already {
                    stream.write_all(&HEALTH.as_bytes()[sent..=sent]).expect("sent");
                }
            }
            if sent % 16 == 0 {
                is_answered(server);
            }
        }
        for mut stream in slow {
            let mut first = [0; 12];
            stream.read_exact(&mut first).expect("an answer");
            assert_eq!(&first, b"HTTP/1.1 200");
        }
        is_answered(server);
    });
}
