//! Requests whose end a proxy may see elsewhere than the server. What follows such a request on its connection is never taken for one.

use crate::attack::{is_answered, say, with_server};
use crate::server::Server;

const CHUNKED: &str = "transfer-encoding: chunked\r\n";

/// What is smuggled: a call that would leave a mark.
fn smuggled() -> String {
    let body = r#"{"expression":"smuggled = True"}"#;
    let head = "POST /api/eval HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len())
}

/// The server answers a request with these headers and this body at most once, closes the connection, and runs nothing of what follows.
fn is_no_vehicle(server: &Server, line: &str, headers: &str, body: &str) {
    let common = "host: localhost\r\ncontent-type: application/json\r\n";
    let request = format!("{line}\r\n{common}{headers}\r\n{body}{}", smuggled());
    let said = say(server.http, request.as_bytes());
    assert!(said.matches("HTTP/1.1 ").count() <= 1, "{headers:?} {body:?}: {said}");
    let body = r#"{"expression":"'smuggled' in globals()"}"#;
    let head = "POST /api/eval HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let said = say(server.http, format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
    assert!(said.contains(r#"{"value":false"#), "{headers:?}: {said}");
}

#[test]
fn two_lengths_are_none() {
    let length = smuggled().len() + 5;
    let line = "POST /api/eval HTTP/1.1";
    with_server(|server| {
        for headers in [
            format!("content-length: {length}\r\n{CHUNKED}"),
            format!("{CHUNKED}content-length: {length}\r\n"),
            format!("content-length: 5\r\ncontent-length: {length}\r\n"),
            format!("content-length: 5, {length}\r\n"),
        ] {
            is_no_vehicle(server, line, &headers, "0\r\n\r\n");
        }
        is_answered(server);
    });
}

#[test]
fn codings_that_only_look_like_chunks_are_refused() {
    let line = "POST /api/eval HTTP/1.1";
    with_server(|server| {
        for coding in [
            "transfer-encoding: xchunked\r\n",
            "transfer-encoding: chunked, identity\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
            "transfer-encoding: chunkedx\r\n",
            "transfer-encoding: \"chunked\"\r\n",
            "transfer-encoding: \x0bchunked\r\n",
            "transfer-encoding : chunked\r\n",
            "transfer-encoding\r\n: chunked\r\n",
            "transfer-encoding:\r\n chunked\r\n",
            "x: y\r\n transfer-encoding: chunked\r\n",
            "x: y\rtransfer-encoding: chunked\r\n",
            "x\0: y\r\ntransfer-encoding: chunked\r\n",
        ] {
            is_no_vehicle(server, line, coding, "0\r\n\r\n");
        }
        is_no_vehicle(server, "POST /api/eval HTTP/1.0", CHUNKED, "0\r\n\r\n");
        is_answered(server);
    });
}

#[test]
fn lengths_that_are_no_numbers_are_refused() {
    let line = "POST /api/eval HTTP/1.1";
    with_server(|server| {
        for length in ["+5", "-5", "0x5", "5 5", "5;", "", "99999999999999999999999", "5\x0b"] {
            is_no_vehicle(server, line, &format!("content-length: {length}\r\n"), "0\r\n\r\n");
        }
        is_answered(server);
    });
}

#[test]
fn chunks_that_are_none_are_refused() {
    let line = "POST /api/eval HTTP/1.1";
    with_server(|server| {
        for chunks in [
            "5\r\nhellox0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "-5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "\r\n0\r\n\r\n",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
            "5\nhello\n0\n\n",
            "5\r\nhello0\r\n\r\n",
            "g\r\nhello\r\n0\r\n\r\n",
            "5;\nx\r\nhello\r\n0\r\n\r\n",
        ] {
            is_no_vehicle(server, line, CHUNKED, chunks);
        }
        is_answered(server);
    });
}
