//! The audit: what each call was, and what became of it. It is an event with a target of its own, whose spans say over which
//! connection it came; who starts the server says where that is written.

use std::sync::atomic::{AtomicU64, Ordering};

use beep_python_runtime::platform::mask_credentials;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tracing::{Level, Span};

use crate::metrics::method::Method;

/// The target of the events. At the level `debug` they have the hash of the code, at `trace` the code itself: a log that is
/// not asked for details has no line for each call.
pub const AUDIT_TARGET: &str = "beep_python_audit";
/// The target of the spans that say whose call it is.
pub const AUDIT_SPANS: &str = crate::spans::TARGET;

const OK: &str = "ok";
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Whether anything is written.
pub(crate) fn is_on() -> bool {
    tracing::enabled!(target: AUDIT_TARGET, Level::DEBUG)
}

/// A call that was told of, and whose end will be.
#[derive(Debug)]
pub(crate) struct Audited {
    span: Span,
    /// Its number in this process.
    call: u64,
}

impl Audited {
    /// A call with this JSON as its body begins, in the present span; none where no audit is written. It is told at once: what it runs
    /// could end this process.
    pub(crate) fn begin(method: Method, body: &[u8]) -> Option<Box<Audited>> {
        is_on().then(|| {
            let audited = Audited { span: Span::current(), call: CALLS.fetch_add(1, Ordering::Relaxed) + 1 };
            let (span, call, stage) = (&audited.span, audited.call, "begin");
            let Told { sha256, code, request } =
                told(method, body, tracing::enabled!(target: AUDIT_TARGET, Level::TRACE));
            let (sha256, code, request) = (sha256.as_deref(), code.as_deref(), request.as_deref());
            tracing::debug!(target: AUDIT_TARGET, parent: span, call, stage, sha256, code, request);
            Box::new(audited)
        })
    }

    /// It has ended so: with this error, if any.
    pub(crate) fn end(&self, error: &str, seconds: f64) {
        let (span, call, stage) = (&self.span, self.call, "end");
        let outcome = if error.is_empty() { OK } else { error };
        tracing::debug!(target: AUDIT_TARGET, parent: span, call, stage, outcome, seconds);
    }
}

/// What is told of a request.
#[derive(Debug, Default, PartialEq)]
struct Told {
    /// Of the code, or of the whole request where it has none.
    sha256: Option<String>,
    code: Option<String>,
    /// JSON.
    request: Option<String>,
}

fn told(method: Method, body: &[u8], is_whole: bool) -> Told {
    match (method, is_whole, code(body)) {
        (Method::Session(_), true, Some(code)) => Told { code: Some(code), ..Told::default() },
        (_, true, _) => Told { request: whole(body), ..Told::default() },
        (Method::Session(_), false, code) => {
            let hashed = code.map_or_else(|| Sha256::digest(body), Sha256::digest);
            Told { sha256: Some(format!("{hashed:x}")), ..Told::default() }
        }
        (Method::Host(_), false, _) => subject(body),
    }
}

/// The code in the body of a request.
fn code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Code {
        expression: String,
    }
    serde_json::from_slice(body).ok().map(|Code { expression }| expression)
}

/// A whole body. Python may read as JSON what is none here, so it is told as it is.
fn whole(body: &[u8]) -> Option<String> {
    (!body.is_empty()).then(|| String::from_utf8_lossy(body).into_owned())
}

/// What a request to the host names, without what may be secret: variables of sessions, and passwords in URLs. Of the code that a
/// session begins with the hash.
fn subject(body: &[u8]) -> Told {
    const NAMES: [&str; 10] = [
        "sessionId",
        "requestId",
        "id",
        "name",
        "environment",
        "python",
        "providerName",
        "modelId",
        "packages",
        "labels",
    ];
    // What cannot be read is refused.
    let Ok(Value::Object(mut all)) = serde_json::from_slice(body) else { return Told::default() };
    let setup = all.get("setup").and_then(Value::as_str);
    let sha256 = setup.map(|code| format!("{:x}", Sha256::digest(code)));
    all.retain(|key, _| NAMES.contains(&key.as_str()));
    let request = (!all.is_empty()).then(|| mask_credentials(&Value::Object(all).to_string()));
    Told { sha256, request, ..Told::default() }
}

#[cfg(test)]
mod tests {
    use beep_python_protocol::{HostOperation, Operation};

    use super::*;

    fn told_of(method: impl Into<Method>, body: &str, is_whole: bool) -> [Option<String>; 3] {
        let Told { sha256, code, request } = told(method.into(), body.as_bytes(), is_whole);
        [sha256, code, request]
    }

    #[test]
    fn code_is_hashed_or_whole() {
        let hash = |text: &str| Some(format!("{:x}", Sha256::digest(text)));
        let body = r#"{"expression": "'ä\n'", "timeoutMs": 5}"#;
        assert_eq!(told_of(Operation::Evaluate, body, false), [hash("'ä\n'"), None, None]);
        assert_eq!(told_of(Operation::Evaluate, body, true), [None, Some("'ä\n'".into()), None]);
        let call = r#"{"handle": "h1", "method": "fit"}"#;
        assert_eq!(told_of(Operation::Call, call, false), [hash(call), None, None]);
        assert_eq!(told_of(Operation::Call, call, true), [None, None, Some(call.into())]);
        let no_json = r#"{"expression": "1", "x": NaN}"#;
        assert_eq!(told_of(Operation::Evaluate, no_json, false), [hash(no_json), None, None]);
        assert_eq!(told_of(Operation::Evaluate, no_json, true), [None, None, Some(no_json.into())]);
    }

    #[test]
    fn requests_to_the_host_say_what_they_are_about_and_nothing_secret() {
        let body = r#"{"name": "x", "env": {"KEY": "secret"}, "setup": "key = 'secret'", "packages": ["numpy"]}"#;
        let [setup, code, subject] = told_of(HostOperation::CreateSession, body, false);
        assert_eq!((setup, code), (Some(format!("{:x}", Sha256::digest("key = 'secret'"))), None));
        assert_eq!(subject.as_deref(), Some(r#"{"name":"x","packages":["numpy"]}"#));
        let [.., subject] =
            told_of(HostOperation::InstallPackages, r#"{"packages": ["a @ https://me:secret@b/c"]}"#, false);
        assert!(subject.as_ref().is_some_and(|told| told.contains("@b/c") && !told.contains("secret")), "{subject:?}");
        assert_eq!(told_of(HostOperation::CreateSession, body, true), [None, None, Some(body.into())]);
        assert_eq!(told_of(HostOperation::Health, "", false), [None, None, None]);
    }
}
