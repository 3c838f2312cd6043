//! Bodies that are compressed, in another charset, or begin with a byte-order mark: taken, or refused with the reason.

use std::io::Write;

use beep_python_server::auth::AccessConfig;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::{Value, json};

use crate::compressed::{gzip, zlib};
use crate::support::{Response, Server};

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    server.connect().request_bytes("POST", path, headers, body)
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().expect("a detail")
}

const EVAL: &[u8] = b"{\"expression\": \"'a' * 3\"}";
const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");

#[test]
fn compressed_bodies_are_inflated() {
    let server = Server::start();
    let (head, rest) = EVAL.split_at(9);
    for (coding, body) in [
        ("gzip", gzip(EVAL)),
        ("GZIP", gzip(EVAL)),
        ("x-gzip", [gzip(head), gzip(rest)].concat()),
        ("deflate", zlib(EVAL)),
        ("deflate", raw_deflate(EVAL)),
        ("identity", EVAL.to_vec()),
        ("", EVAL.to_vec()),
    ] {
        let answer = post(&server, "/api/eval", &[("Content-Encoding", coding)], &body);
        assert_eq!((answer.status, &answer.json()["value"]), (200, &json!("aaa")), "{coding}");
        assert_eq!(answer.header("content-encoding"), None, "the answer is not compressed");
    }
    // In pieces; with options, which are read from what it stands for; of an operation of the host.
    let packed = gzip(b"{\"labels\": {\"a\": \"b\"}}");
    let (one, two) = packed.split_at(12);
    let mut body = Vec::new();
    for chunk in [one, two, b""] {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    let headers = [("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")];
    let created = post(&server, "/api/sessions", &headers, &body).json();
    let eval = json!({ "expression": "b'x'", "session": created["sessionId"], "values": "exact" }).to_string();
    let answer = post(&server, "/api/eval", &[("Content-Encoding", "deflate")], &zlib(eval.as_bytes()));
    assert_eq!(answer.json()["value"], json!({ "$bytes": "eA==" }));
    // Data are what the coding stands for, too.
    for (coding, body) in [("gzip", gzip(b"some bytes")), ("deflate", zlib(b"some bytes"))] {
        let kept = post(&server, "/api/put?name=kept", &[OCTETS, ("Content-Encoding", coding)], &body);
        assert_eq!(kept.status, 200, "{}", kept.json());
        assert_eq!(server.eval("kept.decode()"), "some bytes");
    }
    let large = vec![b'x'; 1 << 20];
    post(&server, "/api/put?name=kept", &[OCTETS, ("Content-Encoding", "gzip")], &gzip(&large));
    assert_eq!(server.eval("kept == b'x' * (1 << 20)"), true);
}

#[test]
fn bodies_that_inflate_beyond_the_limit_are_refused() {
    let config = AccessConfig { max_body_bytes: 1000, max_data_bytes: 2000, ..AccessConfig::default() };
    let server = Server::with(config);
    let spaces = |count| gzip(&[EVAL, &vec![b' '; count - EVAL.len()]].concat());
    let coding = ("Content-Encoding", "gzip");
    assert_eq!(post(&server, "/api/eval", &[coding], &spaces(1000)).status, 200);
    for (path, kind, limit) in [("/api/eval", "application/json", 1000), ("/api/put", "application/octet-stream", 2000)]
    {
        let headers = [coding, ("Content-Type", kind)];
        let told = post(&server, path, &headers, &spaces(limit + 1)).expect_problem(413, "body_too_large");
        assert!(detail(&told).contains(&format!("inflates to more than {limit} bytes")), "{told}");
        // What comes is bounded, too, whatever it stands for.
        let empty = gzip(b"").repeat(limit);
        post(&server, path, &headers, &empty).expect_problem(413, "body_too_large");
    }
    // What would inflate to gigabytes is refused before it has come.
    let bomb = gzip(&vec![0; 500_000]);
    let mut client = server.connect();
    let head =
        "POST /api/eval HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n";
    let chunk = [format!("{:x}\r\n", bomb.len() - 8).as_bytes(), &bomb[..bomb.len() - 8], b"\r\n"].concat();
    client.send(&[head.as_bytes(), b"transfer-encoding: chunked\r\n\r\n", &chunk].concat());
    client.receive().expect_problem(413, "body_too_large");
}

#[test]
fn broken_compression_is_told_as_such() {
    let server = Server::start();
    let (packed, deflated) = (gzip(EVAL), zlib(EVAL));
    for (coding, body, said) in [
        ("gzip", &packed[..packed.len() - 3], "no gzip stream, as its header declares: it is cut off"),
        ("deflate", &deflated[..deflated.len() - 1], "no deflate stream, as its header declares: it is cut off"),
        ("gzip", EVAL, "no gzip stream"),
        ("gzip", b"", "it is cut off"),
        ("deflate", EVAL, "no deflate stream"),
        ("deflate", &[&deflated[..], b"x"].concat(), "more follows its end"),
    ] {
        for (path, kind) in [("/api/eval", "application/json"), ("/api/put", "application/octet-stream")] {
            let headers = [("Content-Encoding", coding), ("Content-Type", kind)];
            let told = post(&server, path, &headers, body).expect_problem(400, "invalid_request");
            assert!(detail(&told).contains(said), "{coding} {path}: {told}");
        }
    }
}

#[test]
fn other_codings_are_refused_with_those_that_are_taken() {
    let server = Server::start();
    for coding in ["br", "zstd", "compress", "gzip, deflate"] {
        for (path, kind) in [("/api/eval", "application/json"), ("/api/put", "application/octet-stream")] {
            let answer = post(&server, path, &[("Content-Encoding", coding), ("Content-Type", kind)], EVAL);
            let told = answer.expect_problem(415, "unsupported_media_type");
            assert!(detail(&told).contains(coding) && detail(&told).contains("gzip, deflate"), "{told}");
            assert_eq!(answer.header("accept-encoding"), Some("gzip, deflate"));
        }
    }
    let other = post(&server, "/api/eval", &[("Content-Type", "text/plain")], EVAL);
    other.expect_problem(415, "unsupported_media_type");
    assert_eq!(other.header("accept-encoding"), None, "it is not the coding that is refused");
}

#[test]
fn charsets_are_read_as_they_are_declared() {
    let server = Server::start();
    let eval = |charset: &str, body: &[u8]| {
        let kind = format!("application/json; charset={charset}");
        post(&server, "/api/eval", &[("Content-Type", &kind)], body)
    };
    let text = "{\"expression\": \"'\u{e9}\u{4e2d}'\"}";
    for (charset, body, expected) in [
        ("utf-8", text.as_bytes().to_vec(), "\u{e9}\u{4e2d}"),
        ("utf-16", utf16(text), "\u{e9}\u{4e2d}"),
        ("utf-16", utf16(&format!("\u{feff}{text}")), "\u{e9}\u{4e2d}"),
        ("utf-32", text.chars().flat_map(|char| u32::from(char).to_be_bytes()).collect(), "\u{e9}\u{4e2d}"),
        ("us-ascii", EVAL.to_vec(), "aaa"),
        ("iso-8859-1", b"{\"expression\": \"'\xe9'\"}".to_vec(), "\u{e9}"),
        ("\"windows-1252\"", b"{\"expression\": \"'\x80\xe9'\"}".to_vec(), "\u{20ac}\u{e9}"),
        ("Shift_JIS", b"{\"expression\": \"'\x93\xfa'\"}".to_vec(), "\u{65e5}"),
        ("gbk", b"{\"expression\": \"'\xd6\xd0'\"}".to_vec(), "\u{4e2d}"),
    ] {
        let answer = eval(charset, &body);
        assert_eq!((answer.status, &answer.json()["value"]), (200, &json!(expected)), "{charset}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "answers are UTF-8");
    }
    for (charset, said) in [("utf-7", "charset \"utf-7\" is not known"), ("utf-8; charset=gbk", "several charsets")] {
        let told = eval(charset, EVAL).expect_problem(415, "unsupported_media_type");
        assert!(detail(&told).contains(said) && detail(&told).contains("send the body in UTF-8"), "{told}");
    }
    for (charset, body) in
        [("us-ascii", &b"{\"expression\": \"'\xe9'\"}"[..]), ("utf-16", b"\xff\xfe{\0}"), ("gbk", b"\xff")]
    {
        let told = eval(charset, body).expect_problem(400, "invalid_request");
        assert!(detail(&told).contains("the body is not valid "), "{charset}: {told}");
    }
    let json_data = ("Content-Type", "application/json; charset=latin1");
    let told = post(&server, "/api/put", &[json_data], b"\"\xe9\"").expect_problem(415, "unsupported_media_type");
    assert!(detail(&told).contains("data in JSON are taken in UTF-8"), "{told}");
}

#[test]
fn byte_order_marks_are_no_part_of_the_text() {
    let server = Server::start();
    let marked = "\u{feff}{\"expression\": \"'\u{e9}'\"}";
    for body in [marked.as_bytes().to_vec(), utf16(marked)] {
        let answer = post(&server, "/api/eval", &[], &body);
        assert_eq!((answer.status, &answer.json()["value"]), (200, &json!("\u{e9}")));
    }
    let packed = post(&server, "/api/eval", &[("Content-Encoding", "gzip")], &gzip(&utf16(marked)));
    assert_eq!(packed.json()["value"], "\u{e9}", "the mark is that of the text");
    let json_data = ("Content-Type", "application/json");
    let kept = post(&server, "/api/put?name=kept", &[json_data], "\u{feff}[1]".as_bytes());
    assert_eq!((kept.status, server.eval("kept")), (200, json!([1])));
    // Before code.
    assert_eq!(server.eval("\u{feff}1 + 1"), 2);
    assert_eq!(server.eval("\u{feff}def f():\n    return 5\nf()"), 5);
    let setup = server.post("/api/sessions", json!({ "setup": "\u{feff}ready = 1" })).json();
    let ready = json!({ "expression": "ready", "session": setup["sessionId"] });
    assert_eq!(server.post("/api/eval", ready).json()["value"], 1);
    // What stands in a text belongs to it.
    assert_eq!(server.eval("'\u{feff}'"), "\u{feff}");
}
