//! The operations, carried to the session core.

use beep_python_protocol::{Operation, Problem};
use beep_python_runtime::session::{Reply, Request};
use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Response};

use super::body::Pieces;
use super::{answer, envelope};
use crate::Host;

/// Carries out one operation. The body goes to the worker as it is.
pub(super) async fn carry_out(
    host: &Host,
    operation: Operation,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response<Pieces>, Problem> {
    let reply = perform(host, operation, headers, body).await?;
    Ok(answer::reply(reply, wants_binary(headers)).await)
}

/// Carries out one operation, with the envelope of its headers and its body.
pub(crate) async fn perform(
    host: &Host,
    operation: Operation,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Reply, Problem> {
    let envelope = envelope::read(headers, &body)?;
    let session = match &envelope.session {
        Some(id) => host.sessions.get(id)?,
        None => host.sessions.default_session().clone(),
    };
    let request = Request { operation, body, form: envelope.form, deadline: envelope.deadline, grace: None };
    Ok(session.call(request).await)
}

fn wants_binary(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes() == b"application/octet-stream")
}
