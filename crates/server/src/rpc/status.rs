//! The status of a gRPC call: headers or trailers that say how it ended.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use beep_python_protocol::grpc::{DETAILS, encode_details};
use beep_python_protocol::{GrpcCode, Problem};
use http::{HeaderMap, HeaderName, HeaderValue};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The header or trailer that says how a call ended.
pub(super) fn status(code: GrpcCode) -> (HeaderName, HeaderValue) {
    (STATUS, HeaderValue::from(u16::from(code.number())))
}

/// The trailers that describe a problem.
pub(super) fn trailers_of(problem: &Problem) -> HeaderMap {
    let (message, details) = encode_details(problem);
    let mut trailers = HeaderMap::from_iter([status(problem.code.grpc_code())]);
    let mut put = |name, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            trailers.insert(name, value);
        }
    };
    put(MESSAGE, percent_encoded(&message));
    put(HeaderName::from_static(DETAILS), STANDARD_NO_PAD.encode(details));
    trailers
}

/// As `grpc-message` wants it: all but printable ASCII, and the percent sign itself, as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(percent_encoded("a b%\n\u{e4}~"), "a b%25%0A%C3%A4~");
    }
}
