//! Reading call options: from the body of a request, and from its headers. The body wins.

use beep_python_protocol::{CallOption, CallOptions, ErrorCode, Problem, TextWire};
use http::HeaderMap;

/// Reads the options of a request over HTTP, and checks on the way that the body is JSON.
pub(crate) fn from_http(headers: &HeaderMap, body: &[u8]) -> Result<CallOptions, Problem> {
    let mut options = match body {
        [] => CallOptions::default(),
        _ => serde_json::from_slice(body).map_err(|error| invalid_body(body, &error))?,
    };
    read_headers(&mut options, TextWire::Http, headers)?;
    Ok(options)
}

/// Reads the options of a request over gRPC.
pub(crate) fn from_metadata(headers: &HeaderMap) -> Result<CallOptions, Problem> {
    let mut options = CallOptions::default();
    read_headers(&mut options, TextWire::Grpc, headers)?;
    Ok(options)
}

fn read_headers(options: &mut CallOptions, wire: TextWire, headers: &HeaderMap) -> Result<(), Problem> {
    for (name, value) in headers {
        let Some(option) = CallOption::from_name(wire, name.as_str()) else { continue };
        let text = value.to_str().map_err(|_| wire.not_ascii(option))?;
        options.read_text(wire, option, text)?;
    }
    Ok(())
}

fn invalid_body(body: &[u8], error: &serde_json::Error) -> Problem {
    let detail = match error.classify() {
        serde_json::error::Category::Data if !body.trim_ascii_start().starts_with(b"{") => {
            "the body must be a JSON object".to_owned()
        }
        serde_json::error::Category::Data => without_place(error),
        _ => format!("the body is not valid JSON: {error}"),
    };
    Problem::new(ErrorCode::InvalidRequest, detail)
}

/// The message without line and column: the body that the client wrote may look otherwise.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.clone(), |(told, _)| told.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use beep_python_protocol::ValueForm;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn body_wins_over_headers() {
        let headers = headers(&[("x-beep-session", "a"), ("x-beep-timeout-ms", "5"), ("X-Beep-Values", "plain")]);
        let body = br#"{"expression":"1","session":"b","timeoutMs":7,"values":"exact"}"#;
        let expected = CallOptions {
            session: Some("b".into()),
            values: Some(ValueForm::Exact),
            timeout: Some(Duration::from_millis(7)),
            ..CallOptions::default()
        };
        assert_eq!(from_http(&headers, body).expect("valid"), expected);
        assert_eq!(from_http(&headers, b"{}").expect("valid").session.as_deref(), Some("a"));
    }

    #[test]
    fn invalid_options_are_named() {
        let none = HeaderMap::new();
        for (body, said) in [
            ("{", "not valid JSON"),
            ("[1]", "must be a JSON object"),
            ("\"x\"", "must be a JSON object"),
            ("{} x", "not valid JSON"),
            (r#"{"timeoutMs":"soon"}"#, "'timeoutMs': invalid type"),
            (r#"{"values":"other"}"#, "'plain' or 'exact'"),
            (r#"{"session":5}"#, "'session': invalid type"),
        ] {
            let problem = from_http(&none, body.as_bytes()).expect_err(body);
            assert_eq!(problem.code, ErrorCode::InvalidRequest);
            assert!(problem.detail.contains(said), "{body}: {}", problem.detail);
        }
        let problem = from_http(&headers(&[("x-beep-timeout-ms", "1.5")]), b"{}").expect_err("not whole");
        assert!(problem.detail.contains("X-Beep-Timeout-Ms"));
    }
}
