//! Malformed requests, and requests that the access policy rejects.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use beep_python_protocol::grpc::encode;
use beep_python_protocol::grpc::messages as m;
use beep_python_server::auth::AccessConfig;
use beep_python_server::rpc::Rpc;
use bytes::Bytes;

use crate::support::Server;

const EVALUATE: &str = "/beep.python.runtime.PythonService/Evaluate";
const GRPC: (&str, &str) = ("content-type", "application/grpc");

fn one_plus_one() -> Bytes {
    encode(&m::EvaluateRequest { expression: "1+1".into(), ..Default::default() })
}

async fn still_works(server: &Server) {
    let answer = server.raw(EVALUATE, &[GRPC], one_plus_one()).await;
    assert_eq!((answer.grpc_status(), &answer.body[5..8]), (Some("0"), &b"\x0a\x012"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_message_is_an_invalid_argument() {
    let server = Server::start();
    let whole = one_plus_one();
    let twice = Bytes::from([&whole[..], &whole[..]].concat());
    let wrong_type = Bytes::from_static(b"\0\0\0\0\x02\x08\x01");
    let no_utf8 = Bytes::from_static(b"\0\0\0\0\x04\x0a\x02\xff\xfe");
    let overlong = Bytes::from_static(b"\0\0\0\0\x02\x0a\x7f");
    for (what, body) in [
        ("nothing", Bytes::new()),
        ("half a head", whole.slice(..3)),
        ("half a message", whole.slice(..7)),
        ("two messages", twice),
        ("a number for text", wrong_type),
        ("text that is not UTF-8", no_utf8),
        ("a field that is longer than the message", overlong),
    ] {
        let answer = server.raw(EVALUATE, &[GRPC], body).await;
        assert_eq!((answer.status, answer.grpc_status()), (200, Some("3")), "{what}: {answer:?}");
        assert!(!answer.headers["grpc-message"].is_empty() && answer.trailers.is_none(), "{what}");
    }
    for json in ["{", "[1] 2", "nul", "\u{1}", r#"{}, "expression": "2""#] {
        let request = m::EvaluateRequest { expression: "1".into(), locals_json: json.into(), ..Default::default() };
        let answer = server.raw(EVALUATE, &[GRPC], encode(&request)).await;
        assert_eq!(answer.grpc_status(), Some("3"), "{json}");
    }
    let wrong_shape = m::EvaluateRequest { expression: "1".into(), locals_json: "[1]".into(), ..Default::default() };
    assert_eq!(server.raw(EVALUATE, &[GRPC], encode(&wrong_shape)).await.grpc_status(), Some("3"));
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    let deep = m::EvaluateRequest { expression: "1".into(), locals_json: deep, ..Default::default() };
    assert_eq!(server.raw(EVALUATE, &[GRPC], encode(&deep)).await.grpc_status(), Some("3"));
    let compressed = Bytes::from_static(b"\x01\0\0\0\0");
    assert_eq!(server.raw(EVALUATE, &[GRPC], compressed).await.grpc_status(), Some("12"));
    still_works(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_are_cut_off_are_not_kept() {
    const PUT: &str = "/beep.python.runtime.PythonService/Put";
    let server = Server::start();
    let described = |byte_length| {
        let data = m::DataDescriptor { kind: "bytes".into(), byte_length, format: "raw".into(), ..Default::default() };
        encode(&m::PutRequest { part: Some(m::put_request::Part::Data(data)), name: Some("x".into()) })
    };
    let chunk = encode(&m::PutRequest { part: Some(m::put_request::Part::Chunk(vec![b'x'; 8].into())), name: None });
    for (said, status) in [(16, "3"), (4, "3"), (8, "0"), (0, "0")] {
        let body = Bytes::from([&described(said)[..], &chunk].concat());
        let answer = server.raw(PUT, &[GRPC], body).await;
        assert_eq!(answer.grpc_status(), Some(status), "{said}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_rpcs_are_unimplemented() {
    let server = Server::start();
    for path in [
        "/beep.python.runtime.PythonService/Nothing",
        "/beep.python.runtime.Other/Evaluate",
        "/rpc/PythonService/Evaluate",
        "/health",
        "/",
    ] {
        let answer = server.raw(path, &[GRPC], one_plus_one()).await;
        assert_eq!(answer.grpc_status(), Some("12"), "{path}");
    }
    let get = server.raw(EVALUATE, &[GRPC, (":method", "GET")], "").await;
    assert_eq!(get.grpc_status(), Some("12"));
    let json = server.raw(EVALUATE, &[("content-type", "application/json")], "{}").await;
    json.expect_problem(404, "unknown_operation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_cap_is_refused() {
    let server = Server::with(AccessConfig { max_body_bytes: 1000, ..Default::default() });
    let long = m::EvaluateRequest { expression: "1".repeat(2000), ..Default::default() };
    let answer = server.raw(EVALUATE, &[GRPC], encode(&long)).await;
    assert_eq!(answer.grpc_status(), Some("8"));
    still_works(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_requires_authorization() {
    let server = Server::start();
    let standard = ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"];
    let paths = Rpc::all().map(Rpc::path).chain(standard.map(str::to_owned)).chain(["/nowhere".to_owned()]);
    for path in paths {
        for (header, status) in [
            ((":authority", "evil.example"), "7"),
            (("host", "evil.example"), "7"),
            (("origin", "https://evil.example"), "7"),
            (("origin", "null"), "7"),
            (("sec-fetch-site", "cross-site"), "7"),
        ] {
            let answer = server.raw(&path, &[GRPC, header], one_plus_one()).await;
            assert_eq!((answer.status, answer.grpc_status()), (200, Some(status)), "{path} {header:?}");
            assert!(answer.body.is_empty() && answer.trailers.is_none());
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/grpc-web", "application/grpc+json"]
        {
            let answer = server.raw(&path, &[("content-type", kind)], one_plus_one()).await;
            answer.expect_problem(415, "unsupported_media_type");
        }
        server.raw(&path, &[], one_plus_one()).await.expect_problem(415, "unsupported_media_type");
    }
    let json = Rpc::all().filter_map(Rpc::json_path).chain(["/health".to_owned(), "/nowhere".to_owned()]);
    for path in json {
        let ask = async |header| server.raw(&path, &[("content-type", "application/json"), header], "{}").await;
        ask((":authority", "evil.example")).await.expect_problem(403, "forbidden_host");
        ask(("origin", "https://evil.example")).await.expect_problem(403, "forbidden_origin");
        let plain = server.raw(&path, &[("content-type", "text/plain")], "{}").await;
        plain.expect_problem(415, "unsupported_media_type");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_harm_nobody() {
    let server = Server::start();
    let connect = || TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
    let mut held = Vec::new();
    for beginning in [
        &b""[..],
        b"P",
        b"PR",
        b"PRI * HTTP/2.0\r\n",
        // Half of a frame of settings.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0",
        b"POST /rpc/PythonService/Evaluate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
    ] {
        let mut stream = connect();
        stream.write_all(beginning).expect("sent");
        held.push(stream);
    }
    for nonsense in [
        &b"\xff\xff\xff\xff"[..],
        b"PRX\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut stream = connect();
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream.write_all(nonsense).expect("sent");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        // Whatever is said about it, the connection is closed.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let grpc1 = b"POST /beep.python.runtime.PythonService/Evaluate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let mut stream = connect();
    stream.write_all(grpc1).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 415") && answer.contains("HTTP/2"), "{answer}");
    still_works(&server).await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_its_answers_delays_no_other() {
    let server = Server::start();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("sent");
    let body = r#"{"Expression":"'x' * 5_000_000"}"#;
    let mut pipelined = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
    for _ in 0..3 {
        let head = "POST /rpc/PythonService/Evaluate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        pipelined.write_all(request.as_bytes()).expect("sent");
    }
    for _ in 0..3 {
        still_works(&server).await;
    }
    drop(stream);
}
