//! Answers of the session core as HTTP responses. Bodies of user data pass through as they are.

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::session::{Answer, Captured, Reply};
use beep_python_runtime::worker::Body;
use bytes::{Bytes, BytesMut};
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;

use super::body::Pieces;
use super::floats;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const FLOATS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const SHAPE: HeaderName = HeaderName::from_static("x-beep-shape");
/// Up to here a copy into one piece is cheaper than a further write.
const COPY_BYTES: usize = 16 << 10;

/// An answer that is JSON.
pub(crate) fn json(value: &impl Serialize) -> Response<Pieces> {
    match serde_json::to_vec(value) {
        Ok(text) => ok(JSON, Pieces::one(text)),
        Err(error) => problem(&Problem::new(ErrorCode::Internal, format!("the answer cannot be written: {error}"))),
    }
}

/// An error.
pub(crate) fn problem(problem: &Problem) -> Response<Pieces> {
    let text = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(Pieces::one(text));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
    if problem.code == ErrorCode::Unauthorized {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The answer to a method that a route does not take.
pub(crate) fn method_not_allowed(allowed: &[Method]) -> Response<Pieces> {
    let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
    let names = names.join(", ");
    let mut response = problem(&Problem::new(ErrorCode::MethodNotAllowed, format!("this route takes {names} only")));
    if let Ok(value) = HeaderValue::from_str(&names) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// What a session answered.
pub(crate) async fn reply(reply: Reply, binary: bool) -> Response<Pieces> {
    let Reply { answer, captured, epoch } = reply;
    match answer {
        Answer::Value(value) => ok(JSON, join(br#"{"value":"#, &value, 0, &extras(&captured, epoch))),
        Answer::Handle(object) | Answer::Object(object) => ok(JSON, join(b"", &object, 1, &extras(&captured, epoch))),
        Answer::Exception(object) => {
            let code = ErrorCode::PythonException;
            let head =
                format!(r#"{{"title":"{}","status":{},"code":"{}","#, code.title(), code.http_status(), code.as_str());
            let body = join_from(1, head.as_bytes(), &object, 1, &extras(&captured, epoch));
            let mut response = ok(PROBLEM_JSON, body);
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            response
        }
        Answer::Problem(mut told) => {
            told.stdout = captured.stdout;
            told.stderr = captured.stderr;
            told.session_epoch = (epoch > 0).then_some(epoch);
            problem(&told)
        }
        Answer::Floats(body) if binary => ok(FLOATS, body.pieces().cloned().collect()),
        Answer::Floats(body) => match floats::row_to_json(body).await {
            Ok(text) => ok(JSON, Pieces::one(text)),
            Err(told) => problem(&told),
        },
        Answer::FloatRows(body) => match floats::rows(body, binary).await {
            Ok(floats::Rows::Binary { rows, width, pieces }) => {
                let mut response = ok(FLOATS, pieces.into_iter().collect());
                if let Ok(shape) = HeaderValue::from_str(&format!("{rows},{width}")) {
                    response.headers_mut().insert(SHAPE, shape);
                }
                response
            }
            Ok(floats::Rows::Json(text)) => ok(JSON, Pieces::one(text)),
            Err(told) => problem(&told),
        },
    }
}

/// A success.
pub(crate) fn ok(content_type: HeaderValue, body: Pieces) -> Response<Pieces> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// What stands between the worker's object and its closing brace: `,"stdout":…,"stderr":…,"sessionEpoch":N}`.
fn extras(captured: &Captured, epoch: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    for (name, text) in [("stdout", &captured.stdout), ("stderr", &captured.stderr)] {
        if !text.is_empty() {
            out.extend_from_slice(format!(r#","{name}":"#).as_bytes());
            out.extend_from_slice(&serde_json::to_vec(text).unwrap_or_else(|_| b"null".to_vec()));
        }
    }
    out.extend_from_slice(br#","sessionEpoch":"#);
    out.extend_from_slice(epoch.to_string().as_bytes());
    out.push(b'}');
    out
}

/// `head`, the body without its last `cut` bytes, and `tail`.
fn join(head: &[u8], body: &Body, cut: usize, tail: &[u8]) -> Pieces {
    join_from(0, head, body, cut, tail)
}

/// The same, without the body's first `skip` bytes either.
fn join_from(skip: usize, head: &[u8], body: &Body, cut: usize, tail: &[u8]) -> Pieces {
    let length = body.len().saturating_sub(skip + cut);
    if length <= COPY_BYTES {
        let whole = body.contiguous();
        let mut one = BytesMut::with_capacity(head.len() + length + tail.len());
        one.extend_from_slice(head);
        one.extend_from_slice(whole.get(skip..skip + length).unwrap_or_default());
        one.extend_from_slice(tail);
        return Pieces::one(one.freeze());
    }
    let mut left = skip + length;
    let mut skip = skip;
    let mut pieces = vec![Bytes::copy_from_slice(head)];
    for piece in body.pieces() {
        let end = piece.len().min(left);
        left -= end;
        pieces.push(piece.slice(skip.min(end)..end));
        skip = 0;
    }
    pieces.push(Bytes::copy_from_slice(tail));
    pieces.into_iter().collect()
}
