//! Requests whose head cannot be read: hyper answers them by itself, without a body. This is the body.

use beep_python_protocol::{ErrorCode, Problem};

/// No answer of hyper's own is longer.
const LONGEST: usize = 256;

/// The whole answer in place of one of hyper's own, where `written` is one.
pub(super) fn explained(written: &[u8]) -> Option<Vec<u8>> {
    if written.len() > LONGEST || !written.starts_with(b"HTTP/1.1 4") {
        return None; // nearly always
    }
    let head = std::str::from_utf8(written).ok()?.strip_suffix("\r\n\r\n")?;
    let (status_line, headers) = head.split_once("\r\n")?;
    let (status, detail) = match status_line.get(9..12)? {
        "400" => (400, "what came is no request of HTTP/1.1"),
        "414" => (414, "the target of the request is longer than this server reads; send what is long in the body"),
        "431" => {
            (431, "the headers of the request are more or longer than this server reads; send what is long in the body")
        }
        _ => return None,
    };
    // Every answer of this server's has a body.
    let others: Vec<_> = headers.split("\r\n").filter(|header| *header != "content-length: 0").collect();
    if others.len() == headers.split("\r\n").count() {
        return None;
    }
    let problem = Problem { status, ..Problem::new(ErrorCode::InvalidRequest, detail) };
    let body = serde_json::to_string(&problem).ok()?;
    let others: String = others.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let head =
        format!("{status_line}\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n{others}\r\n");
    Some([head, body].concat().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_without_a_body_get_one() {
        let own = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let text = String::from_utf8(explained(own).expect("one of hyper's")).expect("text");
        assert!(text.contains("connection: close\r\n\r\n{") && text.contains(r#""status":431"#), "{text}");
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 12\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            b"",
        ] {
            assert_eq!(explained(other), None);
        }
    }
}
