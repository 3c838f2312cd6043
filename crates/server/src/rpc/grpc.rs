//! gRPC: one message in, one message out, and the status in the trailers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use beep_python_protocol::grpc::{DETAILS, EVENTS, FrameError, encode, encode_details, full_details};
use beep_python_protocol::{ErrorCode, GrpcCode, Operation, Problem};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use hyper::body::Incoming;

use super::body::RpcBody;
use super::events::{Messages, messages};
use super::metadata;
use super::route::Rpc;
use super::{host_service, reply, request};
use crate::server_context::ServerContext;
use crate::http::connection::read;
use crate::rejection_log;
use beep_python_runtime::session::service::json::Chunks;
use beep_python_runtime::session::service::operation::{self, CallOptions};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Answers a request that came through the door.
pub(super) async fn answer(host: &ServerContext, parts: &Parts, body: Incoming) -> Response<RpcBody> {
    match carry_out(host, parts, body).await {
        Ok(Carried::Message(message)) => {
            let trailers = HeaderMap::from_iter([status(GrpcCode::Ok)]);
            respond(RpcBody::Grpc { message, trailers: Some(trailers) })
        }
        Ok(Carried::Events(events)) => {
            let mut response = respond(RpcBody::Events(events));
            response.headers_mut().insert(HeaderName::from_static(EVENTS), HeaderValue::from_static("1"));
            response
        }
        Err(problem) => refuse(&problem, &parts.headers),
    }
}

/// What a request led to.
enum Carried {
    Message(Chunks),
    Events(Messages),
}

async fn carry_out(host: &ServerContext, parts: &Parts, mut body: Incoming) -> Result<Carried, Problem> {
    let path = parts.uri.path();
    let rpc =
        Rpc::find(path).ok_or_else(|| Problem::new(ErrorCode::UnknownOperation, format!("there is no rpc {path}")))?;
    if parts.method != Method::POST {
        return Err(Problem::new(ErrorCode::MethodNotAllowed, "gRPC takes POST only"));
    }
    let envelope = metadata::read(&parts.headers)?;
    let body = read(&mut body, &parts.method, host.access.max_body_bytes()).await?;
    match rpc {
        Rpc::Session(operation) if !operation.has_events() => {
            perform(host, operation, &envelope, body).await.map(Carried::Message)
        }
        Rpc::Session(operation) | Rpc::Events(operation) => {
            let body = request::json_body(operation, &body)?;
            let events = operation::follow(&host.sessions, operation, &envelope, body)?;
            Ok(Carried::Events(messages(events, envelope.form)))
        }
        Rpc::Host(operation) => host_service::perform(host, operation, &body).await.map(Carried::Message),
    }
}

async fn perform(host: &ServerContext, operation: Operation, envelope: &CallOptions, body: Bytes) -> Result<Chunks, Problem> {
    let body = request::json_body(operation, &body)?;
    reply::message(operation, operation::carry_out(&host.sessions, operation, envelope, body).await?).await
}

/// The problem of a body that is not one message.
pub(super) fn unreadable(error: &FrameError) -> Problem {
    let code = match error {
        FrameError::Compressed => ErrorCode::UnsupportedMediaType,
        FrameError::Length { .. } | FrameError::Message(_) => ErrorCode::InvalidRequest,
    };
    Problem::new(code, error.to_string())
}

/// An error status. All that is said goes into the headers, unless the client takes a message before them.
pub(super) fn refuse(problem: &Problem, asked: &HeaderMap) -> Response<RpcBody> {
    rejection_log::log_rejection(problem);
    let trailers = trailers_of(problem);
    if metadata::errors_as_message(asked) {
        let message = Chunks::one(encode(&full_details(problem)));
        return respond(RpcBody::Grpc { message, trailers: Some(trailers) });
    }
    let mut response = respond(RpcBody::End);
    response.headers_mut().extend(trailers);
    response
}

/// The trailers that tell of a problem.
pub(super) fn trailers_of(problem: &Problem) -> HeaderMap {
    let (message, details) = encode_details(problem);
    let mut trailers = HeaderMap::from_iter([status(problem.code.grpc_code())]);
    let mut put = |name, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            trailers.insert(name, value);
        }
    };
    put(MESSAGE, percent_encoded(&message));
    put(HeaderName::from_static(DETAILS), STANDARD_NO_PAD.encode(details));
    trailers
}

/// The header or trailer that says how a call ended.
pub(super) fn status(code: GrpcCode) -> (HeaderName, HeaderValue) {
    (STATUS, HeaderValue::from(u16::from(code.number())))
}

fn respond(body: RpcBody) -> Response<RpcBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

/// As `grpc-message` wants it: all but printable ASCII, and the percent sign itself, as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(percent_encoded("a b%\n\u{e4}~"), "a b%25%0A%C3%A4~");
    }
}
