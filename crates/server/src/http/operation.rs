//! Operations of a session over HTTP.

use beep_python_protocol::{CallOptions, ErrorCode, HostOperation, Operation, Problem};
use beep_python_runtime::session::service::host_operation::session_events;
use beep_python_runtime::session::service::json::{ArrayFormat, encode_response};
use beep_python_runtime::session::service::operation::{Caller, execute_operation, subscribe};
use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tracing::Instrument;

use crate::http::body::HttpBody;
use crate::http::route::Route;
use crate::metrics::observed::{Observed, observe};
use crate::server_context::ServerContext;
use crate::spans;
use crate::traces::CallTrace;
use crate::transport::Transport;
use crate::web::event_body::{EventBody, Framing, encode_events, keep_alive};
use crate::web::{accept, call_options, response};

const JSON: &str = "application/json";
const SERVER_SENT: &str = "text/event-stream";
const LINES: &str = "application/x-ndjson";
const OCTETS: &str = "application/octet-stream";
/// Names the last event that a client has of a call whose connection it lost.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Responds to one operation.
pub(super) async fn respond(
    server: &ServerContext,
    operation: Operation,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response<HttpBody>, Problem> {
    let mut options = call_options::from_http(headers, &body)?;
    if let Some(framing) = framing(operation, headers) {
        let _entered = spans::session_request(operation, &options).entered();
        let observed = Observed::begin(Transport::Http, operation, &body, CallTrace::begin(operation, &mut options));
        let events = observed.follow(subscribe(&server.sessions, operation, &options, None, body))?;
        let events = encode_events(events, options.form(), framing);
        let is_kept = framing == Framing::ServerSent && outlives_connections(operation, &options);
        let events = if is_kept { server.kept_events.begin(events) } else { events };
        return Ok(event_stream(events, framing));
    }
    if options.offered().any() {
        let detail = "what is offered can be asked for in events only: \
            send `Accept: text/event-stream` or `Accept: application/x-ndjson`";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    let arrays = if headers.contains_key(ACCEPT) && accept::names(headers, OCTETS) {
        ArrayFormat::Binary
    } else {
        ArrayFormat::of(options.form())
    };
    let span = spans::session_request(operation, &options);
    let trace = CallTrace::begin(operation, &mut options);
    let executed = execute_operation(&server.sessions, operation, &options, Caller::default(), body.clone());
    let outcome = observe(Transport::Http, operation, &body, trace, executed).instrument(span).await?;
    Ok(response::respond(encode_response(outcome, arrays).await).map(HttpBody::Whole))
}

/// Goes on with the events of a call; no content, at which clients of server-sent events stop asking, where there are no more.
pub(super) fn go_on(server: &ServerContext, last: &HeaderValue) -> Response<HttpBody> {
    match last.to_str().ok().and_then(|last| server.kept_events.go_on(last)) {
        Some(events) => event_stream(events, Framing::ServerSent),
        None => response::no_content().map(HttpBody::Whole),
    }
}

/// Whether a call goes on without its client, and asks it for nothing.
fn outlives_connections(operation: Operation, options: &CallOptions) -> bool {
    let offered = options.offered();
    let ends_with_its_client = matches!(operation, Operation::Stream | Operation::Next);
    let asks_its_client = offered.stdin || offered.callbacks;
    !(ends_with_its_client || asks_its_client || options.cancels_on_disconnect())
}

fn event_stream(events: EventBody, framing: Framing) -> Response<HttpBody> {
    response::event_stream(HttpBody::Events(keep_alive(events, framing)), framing)
}

/// Responds with what happens in a session.
pub(super) fn follow_session(
    server: &ServerContext,
    path: &str,
    headers: &HeaderMap,
) -> Result<Response<HttpBody>, Problem> {
    let options = call_options::from_http(headers, &Bytes::new())?;
    let framing = event_framing(headers);
    let _entered = spans::host_request(HostOperation::SessionEvents, Route::session_id(path)).entered();
    let events = session_events(&server.sessions, Route::session_id(path), &options, None, b"")?;
    Ok(event_stream(encode_events(events, options.form(), framing), framing))
}

/// The framing of events, where the client takes events rather than JSON or the operation has some.
fn framing(operation: Operation, headers: &HeaderMap) -> Option<Framing> {
    let is_wanted = || {
        headers.contains_key(ACCEPT)
            && matches!(accept::preferred(headers, &[JSON, SERVER_SENT, LINES]), Some(SERVER_SENT | LINES))
    };
    (operation.has_events() || is_wanted()).then(|| event_framing(headers))
}

fn event_framing(headers: &HeaderMap) -> Framing {
    match accept::preferred(headers, &[SERVER_SENT, LINES]) {
        Some(LINES) => Framing::Lines,
        _ => Framing::ServerSent,
    }
}
