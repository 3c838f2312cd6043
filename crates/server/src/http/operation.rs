//! The operations of a session over HTTP.

use beep_python_protocol::{ErrorCode, Operation, Problem};
use beep_python_runtime::session::service::json::{ArrayFormat, encode_response};
use beep_python_runtime::session::service::operation::{carry_out, follow};
use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Response};

use super::body::HttpBody;
use crate::web::{call_options as envelope, response as answer};
use crate::server_context::ServerContext;
use crate::events::{Framing, text};

const SERVER_SENT: HeaderValue = HeaderValue::from_static("text/event-stream");
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// Answers one operation.
pub(super) async fn answer(
    host: &ServerContext,
    operation: Operation,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response<HttpBody>, Problem> {
    let envelope = envelope::read(headers, &body)?;
    if let Some(framing) = framing(operation, headers) {
        let events = follow(&host.sessions, operation, &envelope, body)?;
        return Ok(event_response(HttpBody::Events(text(events, envelope.form, framing)), framing));
    }
    if envelope.capabilities.any() {
        let detail = "what is offered can be asked for in events only: \
            send `Accept: text/event-stream` or `Accept: application/x-ndjson`";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    let arrays =
        if accepts(headers, "application/octet-stream") { ArrayFormat::Binary } else { ArrayFormat::of(envelope.form) };
    let reply = carry_out(&host.sessions, operation, &envelope, body).await?;
    Ok(answer::composed(encode_response(reply, arrays).await).map(HttpBody::Whole))
}

/// How the client takes events, where it does.
fn framing(operation: Operation, headers: &HeaderMap) -> Option<Framing> {
    if accepts(headers, "application/x-ndjson") {
        return Some(Framing::Lines);
    }
    (operation.has_events() || accepts(headers, "text/event-stream")).then_some(Framing::ServerSent)
}

/// A response that goes on until its events end.
pub(crate) fn event_response<B>(body: B, framing: Framing) -> Response<B> {
    let content_type = if framing == Framing::ServerSent { SERVER_SENT } else { LINES };
    let mut response = Response::new(body);
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn accepts(headers: &HeaderMap, media: &str) -> bool {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| {
        envelope::words_of(accept).any(|one| one.split(';').next().is_some_and(|one| one.trim() == media))
    })
}
