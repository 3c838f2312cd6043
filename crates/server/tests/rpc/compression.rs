//! What clients compress: messages of gRPC, and bodies of JSON.

use beep_python_protocol::grpc::encode;
use beep_python_protocol::grpc::messages as m;
use beep_python_server::auth::AccessConfig;
use bytes::Bytes;
use prost::Message;

use crate::compressed::{gzip, zlib};
use crate::support::{Raw, Server};

const EVALUATE: &str = "/beep.python.runtime.PythonService/Evaluate";
const PUT: &str = "/beep.python.runtime.PythonService/Put";

/// A frame whose message is compressed.
fn frame(compressed: &[u8]) -> Vec<u8> {
    [&[1][..], &u32::try_from(compressed.len()).expect("short").to_be_bytes(), compressed].concat()
}

fn evaluate(expression: &str) -> Vec<u8> {
    m::EvaluateRequest { expression: expression.into(), ..Default::default() }.encode_to_vec()
}

async fn ask(server: &Server, path: &str, encoding: &str, body: impl Into<Bytes>) -> Raw {
    server.raw(path, &[("content-type", "application/grpc"), ("grpc-encoding", encoding)], body).await
}

fn message(answer: &Raw) -> &str {
    answer.headers["grpc-message"].to_str().expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_messages_are_inflated() {
    let server = Server::start();
    let request = evaluate("1+1");
    for (encoding, body) in [("gzip", frame(&gzip(&request))), ("deflate", frame(&zlib(&request)))] {
        let answer = ask(&server, EVALUATE, encoding, body).await;
        assert_eq!((answer.grpc_status(), &answer.body[5..8]), (Some("0"), &b"\x0a\x012"[..]), "{encoding}");
    }
    // A client may leave what is short as it is.
    let plain = encode(&m::EvaluateRequest { expression: "1+1".into(), ..Default::default() });
    assert_eq!(ask(&server, EVALUATE, "gzip", plain).await.grpc_status(), Some("0"));
    let data = m::DataDescriptor { kind: "bytes".into(), format: "raw".into(), ..Default::default() };
    let first = m::PutRequest { part: Some(m::put_request::Part::Data(data)), name: Some("kept".into()) };
    let chunk = m::PutRequest { part: Some(m::put_request::Part::Chunk(vec![b'x'; 100_000].into())), name: None };
    let body = [encode(&first).to_vec(), frame(&gzip(&chunk.encode_to_vec()))].concat();
    assert_eq!(ask(&server, PUT, "gzip", body).await.grpc_status(), Some("0"));
    let answer = ask(&server, EVALUATE, "gzip", frame(&gzip(&evaluate("kept == b'x' * 100_000")))).await;
    assert!(answer.body.windows(4).any(|four| four == b"true"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_cannot_be_inflated_are_refused_with_the_reason() {
    let server = Server::with(AccessConfig { max_body_bytes: 1000, ..Default::default() });
    let packed = gzip(&evaluate("1+1"));
    for (encoding, body, status, said) in [
        ("br", frame(&packed), "12", "grpc-encoding %22br%22"),
        ("identity", frame(&packed), "12", "no header grpc-encoding"),
        ("gzip", frame(&packed[..packed.len() - 2]), "3", "cut off"),
        ("gzip", frame(b"nothing of the kind"), "3", "no gzip stream"),
        ("gzip", frame(&gzip(&evaluate(&"1".repeat(2000)))), "8", "inflates to more than"),
        ("gzip", frame(&packed)[..20].to_vec(), "3", "its frame says"),
    ] {
        let answer = ask(&server, EVALUATE, encoding, body).await;
        assert_eq!(answer.grpc_status(), Some(status), "{encoding} {said}: {answer:?}");
        let told = message(&answer).replace("%22", "\"");
        assert!(told.contains(&said.replace("%22", "\"")), "{encoding}: {told}");
        let accepted = answer.headers.get("grpc-accept-encoding").map(|value| value.to_str().expect("text"));
        assert_eq!(accepted, (status == "12").then_some("identity, gzip, deflate"), "{encoding}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_json_are_read_as_over_http() {
    let server = Server::start();
    let path = "/rpc/PythonService/Evaluate";
    let text = "\u{feff}{\"Expression\": \"'\u{e9}'\"}";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (kind, body) in [
        ("application/json", gzip(text.as_bytes())),
        ("application/json; charset=utf-16", gzip(&utf16)),
        ("application/json; charset=latin1", gzip(b"{\"Expression\": \"'\xe9'\"}")),
    ] {
        let answer = server.raw(path, &[("content-type", kind), ("content-encoding", "gzip")], body).await;
        assert_eq!((answer.status, &answer.json()["Value"]), (200, &serde_json::json!("\u{e9}")), "{kind}");
    }
    let refused = server.raw(path, &[("content-type", "application/json"), ("content-encoding", "br")], "{}").await;
    refused.expect_problem(415, "unsupported_media_type");
    assert_eq!(refused.headers["accept-encoding"], "gzip, deflate");
    let unknown = server.raw(path, &[("content-type", "application/json; charset=x")], "{}").await;
    unknown.expect_problem(415, "unsupported_media_type");
    assert!(!unknown.headers.contains_key("accept-encoding"));
}
