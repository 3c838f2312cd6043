//! The operations of a session over HTTP.

use beep_python_protocol::{Operation, Problem};
use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Response};

use super::{answer, envelope};
use crate::Host;
use beep_python_runtime::session::answer::{Arrays, Pieces, compose};
use beep_python_runtime::session::operation::carry_out;

/// Answers one operation.
pub(super) async fn answer(
    host: &Host,
    operation: Operation,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response<Pieces>, Problem> {
    let envelope = envelope::read(headers, &body)?;
    let arrays = if wants_binary(headers) { Arrays::Binary } else { Arrays::of(envelope.form) };
    let reply = carry_out(&host.sessions, operation, &envelope, body).await?;
    Ok(answer::composed(compose(reply, arrays).await))
}

fn wants_binary(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes() == b"application/octet-stream")
}
