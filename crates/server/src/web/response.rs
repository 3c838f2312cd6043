//! Responses over HTTP.

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::session::service::json::{Chunks, EncodedResponse};
use http::header::{ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::ext::ReasonPhrase;

use crate::auth::client::Client;
use crate::rejection_log::{log_denied, log_rejection};
use crate::web::content_coding;
use crate::web::event_body::Framing;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const FLOATS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const SHAPE: HeaderName = HeaderName::from_static("x-beep-shape");
/// nginx, and what follows it, keeps answers back unless this says `no`.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const SERVER_SENT: HeaderValue = HeaderValue::from_static("text/event-stream");
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// A success with JSON.
pub(crate) fn json(text: Vec<u8>) -> Response<Chunks> {
    ok(JSON, Chunks::one(text))
}

/// An error.
pub(crate) fn problem(problem: &Problem) -> Response<Chunks> {
    log_rejection(problem);
    unlogged(problem)
}

/// The error of a client that was not let in.
pub(crate) fn denied(problem: &Problem, client: Client) -> Response<Chunks> {
    log_denied(problem, client);
    unlogged(problem)
}

fn unlogged(problem: &Problem) -> Response<Chunks> {
    let text = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(Chunks::one(text));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
    if response.status().canonical_reason().is_none() {
        response.extensions_mut().insert(ReasonPhrase::from_static(b"Cancelled"));
    }
    let (name, value) = match problem.code {
        ErrorCode::Unauthorized => (WWW_AUTHENTICATE, "Bearer"),
        ErrorCode::Overloaded | ErrorCode::QueueFull | ErrorCode::TooManySessions | ErrorCode::ShuttingDown => {
            (RETRY_AFTER, "1")
        }
        _ => return response,
    };
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

/// The error for a method that a route does not have.
pub(crate) fn method_not_allowed(allowed: &[Method]) -> Response<Chunks> {
    // HEAD is GET without the body.
    let head = allowed.contains(&Method::GET).then_some("HEAD");
    let names: Vec<_> = allowed.iter().map(Method::as_str).chain(head).collect();
    let names = names.join(", ");
    let mut response = problem(&Problem::new(ErrorCode::MethodNotAllowed, format!("this route takes {names} only")));
    if let Ok(value) = HeaderValue::from_str(&names) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// The error for a content coding that is not taken. It says which ones are, as no other error of this status does.
pub(crate) fn coding_refused(refused: &Problem) -> Response<Chunks> {
    let mut response = problem(refused);
    response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(content_coding::ACCEPTED));
    response
}

/// The response of a session.
pub(crate) fn respond(encoded: EncodedResponse) -> Response<Chunks> {
    match encoded {
        EncodedResponse::Json(body) => ok(JSON, body),
        EncodedResponse::Floats { shape, pieces } => {
            let mut response = ok(FLOATS, pieces);
            let shape = shape.and_then(|(rows, columns)| HeaderValue::from_str(&format!("{rows},{columns}")).ok());
            shape.map(|shape| response.headers_mut().insert(SHAPE, shape));
            response
        }
        EncodedResponse::Datum { .. } => {
            problem(&Problem::new(ErrorCode::Internal, "data go beside JSON only where the request takes them"))
        }
        EncodedResponse::Exception(body) => {
            let mut response = ok(PROBLEM_JSON, body);
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            response
        }
        EncodedResponse::Problem(told) => problem(&told),
    }
}

/// A success of this content type.
pub(crate) fn ok(content_type: HeaderValue, body: Chunks) -> Response<Chunks> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// A success that has nothing to say.
pub(crate) fn no_content() -> Response<Chunks> {
    let mut response = Response::new(Chunks::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A response that lasts until its events end.
pub(crate) fn event_stream<B>(body: B, framing: Framing) -> Response<B> {
    let content_type = if framing == Framing::ServerSent { SERVER_SENT } else { LINES };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
