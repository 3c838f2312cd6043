//! Operations of a session, as any transport brings them to the session core.

use std::borrow::Cow;
use std::time::Duration;

use beep_python_protocol::{CallLimits, Capabilities, ErrorCode, Operation, Problem, ValueForm};
use bytes::Bytes;

use crate::session::call::{CallResult, Request, RequestId, Response};
use crate::session::event_stream::EventStream;
use crate::session::manager::manager::SessionManager;
use crate::session::session::Session;
use crate::worker::frame::Body;

/// What a request says about itself, beside what it asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// The session; the default one when not given.
    pub session: Option<String>,
    /// How values are written.
    pub form: ValueForm,
    /// How long the call may take.
    pub deadline: Option<Duration>,
    /// How long it may take to stop.
    pub grace: Option<Duration>,
    /// What it may take.
    pub limits: Option<Box<CallLimits>>,
    /// For how long the handles that it makes may be unused.
    pub lease: Option<Duration>,
    /// What it can be cancelled by.
    pub name: Option<RequestId>,
    /// Whether it is cancelled when its client is gone.
    pub cancel_on_disconnect: bool,
    /// Whether it runs in a worker of its own, of which nothing is kept.
    pub isolated: bool,
    /// What the client offers to do meanwhile.
    pub capabilities: Capabilities,
    /// The question that the call belongs to: it is carried out while the code waits for the answer.
    pub callback: Option<String>,
}

impl CallOptions {
    /// Whether the operation is to be [followed](follow).
    pub fn is_followed(&self, operation: Operation) -> bool {
        self.callback.is_none() && (operation.has_events() || self.capabilities.any())
    }

    fn session<'a>(&self, sessions: &'a SessionManager) -> Result<Cow<'a, Session>, Problem> {
        Ok(match &self.session {
            Some(id) => Cow::Owned(sessions.get(id)?),
            None => Cow::Borrowed(sessions.default_session()),
        })
    }

    fn request(&self, operation: Operation, body: Bytes) -> Request {
        let &CallOptions { form, deadline, grace, lease, cancel_on_disconnect, .. } = self;
        let (limits, name) = (self.limits.clone(), self.name.clone());
        Request { operation, body, form, deadline, grace, limits, lease, request_id: name, cancel_on_disconnect }
    }
}

/// Carries out one operation. The body, a JSON object, goes to the worker as it is.
pub async fn carry_out(
    sessions: &SessionManager,
    operation: Operation,
    envelope: &CallOptions,
    body: Bytes,
) -> Result<Response, Problem> {
    let session = envelope.session(sessions)?;
    if operation == Operation::Answer {
        session.answer(body, envelope.form)?;
        let result = CallResult::Object(Body::from(Bytes::from_static(br#"{"success":true}"#)));
        return Ok(Response { result, output: Default::default(), epoch: session.epoch() });
    }
    if envelope.isolated && envelope.callback.is_some() {
        return Err(Problem::new(
            ErrorCode::InvalidRequest,
            "an isolated call is of no session, and not within a callback",
        ));
    }
    let request = envelope.request(operation, body);
    Ok(match &envelope.callback {
        Some(question) => session.nest(question, request).await,
        None if envelope.isolated => sessions.isolated(&session, request).await,
        None => session.call(request).await,
    })
}

/// Carries out one operation and tells what happens on the way.
pub fn follow(
    sessions: &SessionManager,
    operation: Operation,
    envelope: &CallOptions,
    body: Bytes,
) -> Result<EventStream, Problem> {
    if envelope.isolated {
        let detail =
            "an isolated call tells nothing but its answer: make it without events and capabilities, or in a session";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    if envelope.callback.is_some() {
        // In a turn of its own it would wait for the call that waits for the callback.
        let detail = "within a callback only what has no events can be asked for";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    Ok(envelope.session(sessions)?.subscribe(envelope.request(operation, body), envelope.capabilities))
}

/// The limits that a header or metadata names, as a JSON object.
pub fn limits_named(text: &str) -> Result<Box<CallLimits>, Problem> {
    serde_json::from_str(text).map(Box::new).map_err(|error| {
        let detail = format!("the limits of a call must be a JSON object such as {{\"cpuMs\":500}}: {error}");
        Problem::new(ErrorCode::InvalidRequest, detail)
    })
}

/// What the words of an envelope offer.
pub fn capabilities_named<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Capabilities, Problem> {
    Capabilities::parse(words).map_err(|word| {
        let word: String = word.chars().take(64).collect();
        Problem::new(ErrorCode::InvalidRequest, format!("capabilities are 'stdin' and 'callbacks', not '{word}'"))
    })
}

/// The form of values that a word of the envelope means.
pub fn form_named(word: Option<&str>) -> Result<ValueForm, Problem> {
    let Some(word) = word else { return Ok(ValueForm::Plain) };
    ValueForm::parse(word).ok_or_else(|| {
        Problem::new(ErrorCode::InvalidRequest, format!("values must be 'plain' or 'exact', not '{word}'"))
    })
}
