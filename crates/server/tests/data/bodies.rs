//! Data as bodies: over HTTP, and over gRPC.

use beep_python_server::auth::AccessConfig;
use serde_json::json;

use crate::http::Server;

const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");

#[test]
fn accept_decides_the_form() {
    let server = Server::start();
    let mut http = server.connect();
    let fetch = |http: &mut crate::http::Connection, accept: &str, code: &str| {
        http.post("/api/fetch", &[("Accept", accept)], &json!({ "expression": code }).to_string())
    };
    let bytes = fetch(&mut http, "application/octet-stream", "b'abc'");
    assert_eq!((bytes.status, &bytes.body[..]), (200, &b"abc"[..]));
    assert_eq!(bytes.header("content-type"), Some("application/octet-stream"));
    assert_eq!(bytes.header("content-length"), Some("3"));
    let npy = fetch(&mut http, "*/*", "__import__('array').array('h', [1, 2])");
    assert_eq!(npy.header("content-type"), Some("application/x-npy"));
    assert!(npy.body.starts_with(b"\x93NUMPY") && npy.body.ends_with(&[1, 0, 2, 0]) && npy.body.len() % 64 == 4);
    let json_text = fetch(&mut http, "application/json, application/x-npy;q=0.5", "[1, 2]");
    assert_eq!((json_text.header("content-type"), &json_text.body[..]), (Some("application/json"), &b"[1,2]"[..]));
    let drawn =
        fetch(&mut http, "image/*", "class Drawn:\n    def _repr_png_(self): return b'\\x89PNG drawn'\nDrawn()");
    assert_eq!((drawn.header("content-type"), &drawn.body[..]), (Some("image/png"), &b"\x89PNG drawn"[..]));
    for accept in ["text/html", "application/octet-stream;q=0"] {
        fetch(&mut http, accept, "ran = 1").expect_problem(406, "not_acceptable");
    }
    assert_eq!(server.eval("'ran' in globals()"), false, "nothing runs for a client that takes nothing");
    fetch(&mut http, "image/png", "b'abc'").expect_problem(406, "not_acceptable");
    fetch(&mut http, "application/vnd.apache.arrow.stream", "[1]").expect_problem(406, "not_acceptable");
    http.post("/api/fetch", &[], "{}").expect_problem(400, "invalid_request");
    http.post("/api/fetch", &[], r#"{"handleId":"none"}"#).expect_problem(404, "unknown_handle");
    http.post("/api/fetch", &[], r#"{"expression":"1/0"}"#).expect_problem(422, "python_exception");
}

#[test]
fn put_takes_its_own_types_and_no_others() {
    let server = Server::start();
    let mut http = server.connect();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        http.request("POST", "/api/put", &[("Content-Type", kind)], "x").expect_problem(415, "unsupported_media_type");
        http = server.connect();
    }
    let kept = http.request("POST", "/api/put?name=j", &[("Content-Type", "application/json")], r#"{"a": [1]}"#);
    assert_eq!(kept.json()["success"], true);
    assert_eq!(server.eval("j"), json!({ "a": [1] }));
    http.request("POST", "/api/put?nam=x", &[OCTETS], "x").expect_problem(400, "invalid_request");
    http.request("POST", "/api/put?name=a+b", &[OCTETS], "x").expect_problem(400, "invalid_request");
    let shaped = |shape| [OCTETS, ("X-Beep-Dtype", "<f4"), ("X-Beep-Shape", shape)];
    http.request("POST", "/api/put", &shaped("1,x"), "1234").expect_problem(400, "invalid_request");
    http.request("POST", "/api/put", &shaped("2"), "1234").expect_problem(400, "invalid_request");
    let one = http.request("POST", "/api/put?name=one", &shaped(""), "1234");
    assert_eq!((one.status, &one.json()["shape"]), (200, &json!([])));
    let told = http.request("POST", "/api/put", &[("Content-Type", "application/x-npy")], "\x00NUMPY");
    told.expect_problem(400, "invalid_request");
    http.request("GET", "/api/put", &[], "").expect_problem(405, "method_not_allowed");
    // A web page can send none of it.
    let page = [OCTETS, ("Origin", "https://elsewhere.example")];
    http.request("POST", "/api/put", &page, "x").expect_problem(403, "forbidden_origin");
}

#[test]
fn bodies_over_the_limit_are_refused() {
    let server = Server::with(AccessConfig { max_data_bytes: 1000, max_body_bytes: 500, ..AccessConfig::default() });
    let declared = server.connect().request("POST", "/api/put", &[OCTETS], &"x".repeat(1001));
    declared.expect_problem(413, "body_too_large");
    let mut http = server.connect();
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    let head = "POST /api/put HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    http.send(format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes());
    http.receive().expect_problem(413, "body_too_large");
    let kept = server.connect().request("POST", "/api/put?name=x", &[OCTETS], &"x".repeat(1000));
    assert_eq!(kept.status, 200, "data have a limit of their own");
    server.post("/api/eval", json!({ "expression": "1".repeat(600) })).expect_problem(413, "body_too_large");
}
