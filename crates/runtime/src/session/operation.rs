//! Operations of a session, as any transport brings them to the session core.

use std::time::Duration;

use beep_python_protocol::{ErrorCode, Operation, Problem, ValueForm};
use bytes::Bytes;

use super::{CallName, Reply, Request, Sessions};

/// What a request says about itself, beside what it asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The session; the default one when not given.
    pub session: Option<String>,
    /// How values are written.
    pub form: ValueForm,
    /// How long the call may take.
    pub deadline: Option<Duration>,
    /// How long it may take to stop.
    pub grace: Option<Duration>,
    /// What it can be cancelled by.
    pub name: Option<CallName>,
    /// Whether it is cancelled when its client is gone.
    pub cancel_if_gone: bool,
    /// Whether it runs in a worker of its own, of which nothing is kept.
    pub isolated: bool,
}

/// Carries out one operation. The body, a JSON object, goes to the worker as it is.
pub async fn carry_out(
    sessions: &Sessions,
    operation: Operation,
    envelope: &Envelope,
    body: Bytes,
) -> Result<Reply, Problem> {
    let &Envelope { form, deadline, grace, cancel_if_gone, .. } = envelope;
    let request = Request { operation, body, form, deadline, grace, name: envelope.name.clone(), cancel_if_gone };
    let other = envelope.session.as_ref().map(|id| sessions.get(id)).transpose()?;
    let session = other.as_ref().unwrap_or(sessions.default_session());
    Ok(if envelope.isolated { sessions.isolated(session, request).await } else { session.call(request).await })
}

/// The form of values that a word of the envelope means.
pub fn form_named(word: Option<&str>) -> Result<ValueForm, Problem> {
    let Some(word) = word else { return Ok(ValueForm::Plain) };
    ValueForm::parse(word).ok_or_else(|| {
        Problem::new(ErrorCode::InvalidRequest, format!("values must be 'plain' or 'exact', not '{word}'"))
    })
}
