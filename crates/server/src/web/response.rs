//! Answers as HTTP responses.

use beep_python_protocol::{ErrorCode, Problem};
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::rejection_log;

use beep_python_runtime::session::service::json::{Chunks, EncodedResponse};

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const FLOATS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const SHAPE: HeaderName = HeaderName::from_static("x-beep-shape");

/// An answer that is JSON.
pub(crate) fn json(text: Vec<u8>) -> Response<Chunks> {
    ok(JSON, Chunks::one(text))
}

/// An error.
pub(crate) fn problem(problem: &Problem) -> Response<Chunks> {
    rejection_log::log_rejection(problem);
    let text = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(Chunks::one(text));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
    if problem.code == ErrorCode::Unauthorized {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The answer to a method that a route does not take.
pub(crate) fn method_not_allowed(allowed: &[Method]) -> Response<Chunks> {
    let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
    let names = names.join(", ");
    let mut response = problem(&Problem::new(ErrorCode::MethodNotAllowed, format!("this route takes {names} only")));
    if let Ok(value) = HeaderValue::from_str(&names) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// What a session answered.
pub(crate) fn composed(composed: EncodedResponse) -> Response<Chunks> {
    match composed {
        EncodedResponse::Json(body) => ok(JSON, body),
        EncodedResponse::Floats { shape, pieces } => {
            let mut response = ok(FLOATS, pieces);
            let shape = shape.and_then(|(rows, columns)| HeaderValue::from_str(&format!("{rows},{columns}")).ok());
            shape.map(|shape| response.headers_mut().insert(SHAPE, shape));
            response
        }
        EncodedResponse::Exception(body) => {
            let mut response = ok(PROBLEM_JSON, body);
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            response
        }
        EncodedResponse::Problem(told) => problem(&told),
    }
}

/// An answer of this type.
pub(crate) fn ok(content_type: HeaderValue, body: Chunks) -> Response<Chunks> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
