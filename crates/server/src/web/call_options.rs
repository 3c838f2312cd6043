//! What a request says about itself, beside what it asks for: in headers, or in the body, which wins.

use std::borrow::Cow;
use std::time::Duration;

use beep_python_protocol::{CallLimits, Capabilities, ErrorCode, Problem};
use beep_python_runtime::session::RequestId;
use http::HeaderMap;
use serde::Deserialize;

use beep_python_runtime::session::service::operation::{CallOptions, capabilities_named, form_named, limits_named};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InBody<'a> {
    #[serde(borrow, default)]
    session: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    grace_ms: Option<u64>,
    #[serde(default)]
    limits: Option<Box<CallLimits>>,
    #[serde(default)]
    lease_ms: Option<u64>,
    #[serde(default)]
    cancel_on_disconnect: Option<bool>,
    #[serde(default)]
    isolated: Option<bool>,
    #[serde(borrow, default)]
    values: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    capabilities: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow, default)]
    callback: Option<Cow<'a, str>>,
}

/// Reads the envelope, and checks on the way that the body is JSON.
pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<CallOptions, Problem> {
    let header = |name: &str| -> Result<Option<&str>, Problem> {
        let Some(value) = headers.get(name) else { return Ok(None) };
        value.to_str().map(Some).map_err(|_| invalid(format!("the header {name} must be plain ASCII")))
    };
    let inside = match body {
        [] => None,
        _ => Some(serde_json::from_slice::<InBody<'_>>(body).map_err(|error| not_json(body, &error))?),
    };
    let inside = inside.as_ref();
    let session = inside.and_then(|i| i.session.as_deref()).or(header("x-beep-session")?);
    let milliseconds = |inside: Option<u64>, name: &str| -> Result<Option<Duration>, Problem> {
        let given = match (inside, header(name)?) {
            (Some(given), _) => Some(given),
            (None, Some(text)) => {
                let wrong = |_| invalid(format!("the header {name} must be whole milliseconds, not '{text}'"));
                Some(text.trim().parse().map_err(wrong)?)
            }
            (None, None) => None,
        };
        Ok(given.map(Duration::from_millis))
    };
    let deadline = milliseconds(inside.and_then(|i| i.timeout_ms), "X-Beep-Timeout-Ms")?;
    let grace = milliseconds(inside.and_then(|i| i.grace_ms), "X-Beep-Grace-Ms")?;
    let lease = milliseconds(inside.and_then(|i| i.lease_ms), "X-Beep-Lease-Ms")?;
    let limits = match (inside.and_then(|i| i.limits.clone()), header("x-beep-limits")?) {
        (Some(limits), _) => Some(limits),
        (None, text) => text.map(limits_named).transpose()?,
    };
    let form = form_named(inside.and_then(|i| i.values.as_deref()).or(header("x-beep-values")?))?;
    let id = inside.and_then(|i| i.request_id.as_deref()).or(header("x-beep-request")?);
    let name = id.map(|id| RequestId::new(id.as_bytes().to_vec()));
    let asked = |inside: Option<bool>, name: &str| match inside {
        Some(asked) => Ok(asked),
        None => flag(header(name)?).ok_or_else(|| invalid(format!("the header {name} must be true or false"))),
    };
    let cancel_on_disconnect = asked(inside.and_then(|i| i.cancel_on_disconnect), "X-Beep-Cancel-On-Disconnect")?;
    let isolated = asked(inside.and_then(|i| i.isolated), "X-Beep-Isolated")?;
    let capabilities = match (inside.and_then(|i| i.capabilities.as_deref()), header("x-beep-capabilities")?) {
        (Some(words), _) => capabilities_named(words.iter().map(|word| &**word))?,
        (None, Some(text)) => capabilities_named(words_of(text))?,
        (None, None) => Capabilities::NONE,
    };
    let callback = inside.and_then(|i| i.callback.as_deref()).or(header("x-beep-callback")?);
    let (session, callback) = (session.map(str::to_owned), callback.map(str::to_owned));
    Ok(CallOptions {
        session,
        form,
        deadline,
        grace,
        limits,
        lease,
        name,
        cancel_on_disconnect,
        isolated,
        capabilities,
        callback,
    })
}

/// The words of a list in a header.
pub(crate) fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// What a header or metadata says that is either true or false; the latter when it is not there.
pub(crate) fn flag(word: Option<&str>) -> Option<bool> {
    match word.map(str::trim) {
        Some("true") => Some(true),
        Some("false") | None => Some(false),
        Some(_) => None,
    }
}

fn not_json(body: &[u8], error: &serde_json::Error) -> Problem {
    match error.classify() {
        serde_json::error::Category::Data if !body.trim_ascii_start().starts_with(b"{") => {
            invalid("the body must be a JSON object")
        }
        serde_json::error::Category::Data => invalid(format!("the body's envelope cannot be read: {error}")),
        _ => invalid(format!("the body is not valid JSON: {error}")),
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use beep_python_protocol::ValueForm;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn the_body_wins_over_headers() {
        let headers = headers(&[("x-beep-session", "a"), ("x-beep-timeout-ms", "5"), ("x-beep-values", "plain")]);
        let body = br#"{"expression":"1","session":"b","timeoutMs":7,"values":"exact"}"#;
        let envelope = read(&headers, body).expect("valid");
        let deadline = Some(Duration::from_millis(7));
        let form = ValueForm::Exact;
        assert_eq!(envelope, CallOptions { session: Some("b".into()), form, deadline, ..CallOptions::default() });
        assert_eq!(read(&headers, b"{}").expect("valid").session.as_deref(), Some("a"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let none = HeaderMap::new();
        for (body, said) in [
            ("{", "not valid JSON"),
            ("[1]", "must be a JSON object"),
            ("\"x\"", "must be a JSON object"),
            ("{} x", "not valid JSON"),
            (r#"{"timeoutMs":"soon"}"#, "envelope"),
            (r#"{"values":"other"}"#, "'plain' or 'exact'"),
            (r#"{"session":5}"#, "envelope"),
        ] {
            let problem = read(&none, body.as_bytes()).expect_err(body);
            assert_eq!(problem.code, ErrorCode::InvalidRequest);
            assert!(problem.detail.contains(said), "{body}: {}", problem.detail);
        }
        let problem = read(&headers(&[("x-beep-timeout-ms", "1.5")]), b"{}").expect_err("not whole");
        assert!(problem.detail.contains("X-Beep-Timeout-Ms"));
    }
}
