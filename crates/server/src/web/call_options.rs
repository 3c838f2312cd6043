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
        if option.is_trace() {
            read_trace(options, option, headers);
            continue;
        }
        let text = value.to_str().map_err(|_| wire.not_ascii(option))?;
        options.read_text(wire, option, text)?;
    }
    Ok(())
}

/// Reads a header of the trace: `tracestate` may come in several, which are one list.
fn read_trace(options: &mut CallOptions, option: CallOption, headers: &HeaderMap) {
    let all = headers.get_all(option.header()).iter().map(|value| value.to_str());
    let Ok(texts) = all.collect::<Result<Vec<_>, _>>() else { return };
    match option {
        CallOption::Tracestate => drop(options.tracestate.get_or_insert_with(|| texts.join(",").into())),
        // Two of them name no trace.
        _ if texts.len() == 1 => drop(options.traceparent.get_or_insert_with(|| texts[0].into())),
        _ => {}
    }
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
    use http::HeaderValue;

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
    fn trace_is_read_and_what_is_none_is_no_error() {
        const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut headers = headers(&[("traceparent", PARENT), ("tracestate", "a=1")]);
        headers.append("tracestate", HeaderValue::from_static("b=2"));
        for options in [from_http(&headers, b"{}").expect("valid"), from_metadata(&headers).expect("valid")] {
            let trace = options.trace_context().expect("a trace");
            assert_eq!((&*trace.traceparent, trace.tracestate.as_deref()), (PARENT, Some("a=1,b=2")));
        }
        headers.append("traceparent", HeaderValue::from_static(PARENT));
        assert_eq!(from_http(&headers, b"{}").expect("valid").trace_context(), None, "there are two");
        headers.insert("traceparent", HeaderValue::from_bytes(b"\xff").expect("a value"));
        assert_eq!(from_http(&headers, b"{}").expect("valid").trace_context(), None);
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
