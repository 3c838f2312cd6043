//! Operations of a session over HTTP.

use beep_python_protocol::{ErrorCode, HostOperation, Operation, Problem};
use beep_python_runtime::session::service::host_operation::session_events;
use beep_python_runtime::session::service::json::{ArrayFormat, encode_response};
use beep_python_runtime::session::service::operation::{Caller, execute_operation, subscribe};
use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Response};
use tracing::Instrument;

use crate::http::body::HttpBody;
use crate::http::route::Route;
use crate::metrics::observed::{Observed, observe};
use crate::server_context::ServerContext;
use crate::spans;
use crate::transport::Transport;
use crate::web::event_body::{Framing, encode_events, keep_alive};
use crate::web::{call_options, response};

/// Responds to one operation.
pub(super) async fn respond(
    server: &ServerContext,
    operation: Operation,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response<HttpBody>, Problem> {
    let options = call_options::from_http(headers, &body)?;
    if let Some(framing) = framing(operation, headers) {
        let _entered = spans::session_request(operation, &options).entered();
        let observed = Observed::begin(Transport::Http, operation, &body);
        let events = observed.follow(subscribe(&server.sessions, operation, &options, None, body))?;
        let events = encode_events(events, options.form(), framing);
        return Ok(response::event_stream(HttpBody::Events(events), framing));
    }
    if options.offered().any() {
        let detail = "what is offered can be asked for in events only: \
            send `Accept: text/event-stream` or `Accept: application/x-ndjson`";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    let arrays = if accepts(headers, "application/octet-stream") {
        ArrayFormat::Binary
    } else {
        ArrayFormat::of(options.form())
    };
    let span = spans::session_request(operation, &options);
    let executed = execute_operation(&server.sessions, operation, &options, Caller::default(), body.clone());
    let outcome = observe(Transport::Http, operation, &body, executed).instrument(span).await?;
    Ok(response::respond(encode_response(outcome, arrays).await).map(HttpBody::Whole))
}

/// Responds with what happens in a session.
pub(super) fn follow_session(
    server: &ServerContext,
    path: &str,
    headers: &HeaderMap,
) -> Result<Response<HttpBody>, Problem> {
    let options = call_options::from_http(headers, &Bytes::new())?;
    let framing = lines_or_server_sent(headers);
    let _entered = spans::host_request(HostOperation::SessionEvents, Route::session_id(path)).entered();
    let events = session_events(&server.sessions, Route::session_id(path), &options, None, b"")?;
    let events = keep_alive(encode_events(events, options.form(), framing), framing);
    Ok(response::event_stream(HttpBody::Events(events), framing))
}

/// The framing of events, where the client takes events or the operation has some.
fn framing(operation: Operation, headers: &HeaderMap) -> Option<Framing> {
    let events = operation.has_events() || accepts(headers, "text/event-stream");
    (events || accepts(headers, "application/x-ndjson")).then(|| lines_or_server_sent(headers))
}

fn lines_or_server_sent(headers: &HeaderMap) -> Framing {
    if accepts(headers, "application/x-ndjson") { Framing::Lines } else { Framing::ServerSent }
}

fn accepts(headers: &HeaderMap, media: &str) -> bool {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| {
        accept.split(',').any(|range| range.split(';').next().is_some_and(|kind| kind.trim() == media))
    })
}
