//! Reading call options: from the body of a request, and from its headers. The body wins.

use beep_python_protocol::{CallOption, CallOptions, ErrorCode, Problem, TextWire};
use http::{HeaderMap, HeaderValue};

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

/// Those of the trace alone, of a request to the server itself.
pub(crate) fn trace_only(headers: &HeaderMap) -> CallOptions {
    let mut options = CallOptions::default();
    for option in [CallOption::Traceparent, CallOption::Tracestate] {
        read_trace(&mut options, option, headers);
    }
    options
}

fn read_headers(options: &mut CallOptions, wire: TextWire, headers: &HeaderMap) -> Result<(), Problem> {
    for name in headers.keys() {
        let Some(option) = CallOption::from_name(wire, name.as_str()) else { continue };
        if option.is_trace() {
            read_trace(options, option, headers);
            continue;
        }
        let mut values = headers.get_all(name).iter();
        let (Some(first), second) = (values.next(), values.next()) else { continue };
        let text = |value: &HeaderValue| value.to_str().map(str::to_owned).map_err(|_| wire.not_ascii(option));
        match second {
            None => options.read_text(wire, option, first.to_str().map_err(|_| wire.not_ascii(option))?)?,
            Some(_) if option.is_list() => {
                let all: Vec<_> = headers.get_all(name).iter().map(text).collect::<Result<_, _>>()?;
                options.read_text(wire, option, &all.join(","))?;
            }
            Some(second) => match std::iter::once(second).chain(values).find(|other| *other != first) {
                None => options.read_text(wire, option, &text(first)?)?,
                Some(other) => {
                    let detail = format!("{} stands there twice, with {first:?} and {other:?}", wire.place_of(option));
                    return Err(Problem::new(ErrorCode::InvalidRequest, detail));
                }
            },
        }
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
        _ => format!("the body is not valid JSON: {}", syntax_error(body, error)),
    };
    Problem::new(ErrorCode::InvalidRequest, detail)
}

/// What is wrong with a text that is no JSON, and how to write a number that JSON lacks.
pub(crate) fn syntax_error(text: &[u8], error: &serde_json::Error) -> String {
    let line = text.split(|&byte| byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let near = line.get(error.column().saturating_sub(2)..).unwrap_or_default();
    let is_near = |word: &&str| (0..3).any(|at| near.get(at..).is_some_and(|rest| rest.starts_with(word.as_bytes())));
    match ["NaN", "Infinity"].iter().find(|word| is_near(word)) {
        Some(word) => format!(
            "{error}: JSON has no {word}; write {{\"$float\": \"{word}\"}} (or \"-Infinity\"), and \"values\": \"exact\" beside it"
        ),
        None => error.to_string(),
    }
}

/// The message without line and column: the body that the client wrote may look otherwise.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.clone(), |(told, _)| told.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use beep_python_protocol::ValueForm;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        pairs.iter().for_each(|&(name, value)| {
            headers.append(name.parse::<http::HeaderName>().expect("a name"), value.parse().expect("a value"));
        });
        headers
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
    fn headers_that_contradict_each_other_are_refused() {
        let same = headers(&[("x-beep-session", "a"), ("x-beep-session", "a")]);
        assert_eq!(from_http(&same, b"{}").expect("valid").session.as_deref(), Some("a"));
        let listed = headers(&[("x-beep-capabilities", "log"), ("x-beep-capabilities", "progress")]);
        assert_eq!(from_http(&listed, b"{}").expect("valid").offered().words(), ["log", "progress"]);
        let contradicting = headers(&[("x-beep-session", "a"), ("x-beep-session", "b")]);
        let problem = from_http(&contradicting, b"{}").expect_err("two sessions");
        assert_eq!(problem.detail, r#"the header X-Beep-Session stands there twice, with "a" and "b""#);
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
            (r#"{"TimeoutMs":5}"#, "'TimeoutMs': there is no such key; did you mean 'timeoutMs'?"),
            (r#"{"locals":{"a":NaN}}"#, r#"write {"$float": "NaN"}"#),
            ("{\"locals\":\n{\"a\": [1, -Infinity]}}", r#"write {"$float": "Infinity"}"#),
        ] {
            let problem = from_http(&none, body.as_bytes()).expect_err(body);
            assert_eq!(problem.code, ErrorCode::InvalidRequest);
            assert!(problem.detail.contains(said), "{body}: {}", problem.detail);
        }
        let problem = from_http(&headers(&[("x-beep-timeout-ms", "1.5")]), b"{}").expect_err("not whole");
        assert!(problem.detail.contains("X-Beep-Timeout-Ms"));
    }
}
