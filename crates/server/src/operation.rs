//! Operations of a session, carried to the session core by any transport.

use std::time::Duration;

use beep_python_protocol::{ErrorCode, Operation, Problem, ValueForm};
use beep_python_runtime::session::{Reply, Request};
use bytes::Bytes;

use crate::Host;

/// What a request says about itself, beside what it asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// The session; the default one when not given.
    pub(crate) session: Option<String>,
    /// How values are written.
    pub(crate) form: ValueForm,
    /// How long the call may take.
    pub(crate) deadline: Option<Duration>,
}

/// Carries out one operation. The body, a JSON object, goes to the worker as it is.
pub(crate) async fn carry_out(
    host: &Host,
    operation: Operation,
    envelope: &Envelope,
    body: Bytes,
) -> Result<Reply, Problem> {
    let request = Request { operation, body, form: envelope.form, deadline: envelope.deadline, grace: None };
    Ok(match &envelope.session {
        Some(id) => host.sessions.get(id)?.call(request).await,
        None => host.sessions.default_session().call(request).await,
    })
}

/// The form of values that a word of the envelope means.
pub(crate) fn form_named(word: Option<&str>) -> Result<ValueForm, Problem> {
    let Some(word) = word else { return Ok(ValueForm::Plain) };
    ValueForm::parse(word).ok_or_else(|| {
        Problem::new(ErrorCode::InvalidRequest, format!("values must be 'plain' or 'exact', not '{word}'"))
    })
}
