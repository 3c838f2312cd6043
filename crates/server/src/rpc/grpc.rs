//! gRPC: one message in, one message out, and the status in the trailers.

use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::grpc::{ERRORS, ERRORS_AS_MESSAGE, EVENTS, encode, full_details};
use beep_python_protocol::{CallOptions, ErrorCode, GrpcCode, HostOperation, Operation, Problem};
use beep_python_runtime::session::service::host_operation::session_events;
use beep_python_runtime::session::service::json::Chunks;
use beep_python_runtime::session::service::operation::subscribe;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use hyper::body::Incoming;
use tracing::Instrument;

use crate::audit;
use crate::auth::Permissions;
use crate::auth::client::Client;
use crate::metrics::observed::observe;
use crate::rejection_log::{log_denied, log_rejection};
use crate::rpc::body::RpcBody;
use crate::rpc::events::{Messages, encode_events};
use crate::rpc::request::{json_body, message};
use crate::rpc::reset::ReadRequest;
use crate::rpc::route::Rpc;
use crate::rpc::status::{status, trailers_of};
use crate::rpc::{compression, data, host_service, reply};
use crate::server_context::ServerContext;
use crate::spans;
use crate::traces::CallTrace;
use crate::transport::Transport;
use crate::web::body::read_body;
use crate::web::call_options;
use crate::web::panic::or_answer;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Responds to an authorized request.
pub(super) async fn respond(
    server: &ServerContext,
    permissions: Permissions,
    parts: &Parts,
    body: Incoming,
) -> Response<RpcBody> {
    match or_answer(execute(server, permissions, parts, body), Err).await {
        Ok(Outcome::Message(message)) => {
            let trailers = HeaderMap::from_iter([status(GrpcCode::Ok)]);
            response(RpcBody::Grpc { message, trailers: Some(trailers) })
        }
        Ok(Outcome::Data(messages)) => response(RpcBody::Events(messages)),
        Ok(Outcome::Events(events)) => {
            let mut response = response(RpcBody::Events(events));
            response.headers_mut().insert(HeaderName::from_static(EVENTS), HeaderValue::from_static("1"));
            response
        }
        Err(problem) => reject(&problem, &parts.headers),
    }
}

enum Outcome {
    Message(Chunks),
    Data(Messages),
    Events(Messages),
}

async fn execute(
    server: &ServerContext,
    permissions: Permissions,
    parts: &Parts,
    mut body: Incoming,
) -> Result<Outcome, Problem> {
    let path = parts.uri.path();
    let rpc =
        Rpc::find(path).ok_or_else(|| Problem::new(ErrorCode::UnknownOperation, format!("there is no rpc {path}")))?;
    if parts.method != Method::POST {
        return Err(Problem::new(ErrorCode::MethodNotAllowed, "gRPC takes POST only"));
    }
    let mut options = call_options::from_metadata(&parts.headers)?;
    if rpc == Rpc::Session(Operation::Put) {
        let kept = data::put(server, &mut options, &parts.headers, body).await?;
        return Ok(Outcome::Message(Chunks::one(kept)));
    }
    let longest = server.access.max_body_bytes();
    let read = read_body(&mut body, &parts.method, longest, &server.bodies).await?;
    let read = compression::inflate(read, &parts.headers, longest, server.bodies.hold()).await?;
    let (mut request, body) = (ReadRequest::new(Transport::Grpc, parts.version, body), read);
    match rpc {
        Rpc::Session(Operation::Fetch) => {
            data::fetch(server, &mut options, &mut request, &body).await.map(Outcome::Data)
        }
        Rpc::Session(operation) if !operation.has_events() => {
            if options.offered().any() {
                let detail = "a call can be answered in events only: Execute and the rpcs of EventService have them, this one does not";
                return Err(Problem::new(ErrorCode::InvalidRequest, detail));
            }
            let span = spans::session_request(operation, &options);
            let executed = execute_session(server, operation, &mut options, &mut request, body);
            executed.instrument(span).await.map(Outcome::Message)
        }
        Rpc::Session(operation) | Rpc::Events(operation) => {
            let body = json_body(operation, &body)?;
            let _entered = spans::session_request(operation, &options).entered();
            let observed = request.observe(operation, &mut options, &body);
            let mut events = observed.follow(subscribe(&server.sessions, operation, &options, None, body))?;
            request.cancel(&options, &mut events);
            Ok(Outcome::Events(encode_events(events, options.form())))
        }
        Rpc::Host(HostOperation::SessionEvents) => {
            let m::GetSessionRequest { session_id } = message(&body)?;
            let _entered = spans::host_request(HostOperation::SessionEvents, Some(&session_id)).entered();
            let events = session_events(&server.sessions, Some(&session_id), &options, None, b"")?;
            Ok(Outcome::Events(encode_events(events, options.form())))
        }
        Rpc::Host(operation) => {
            let about = if audit::is_on() { host_service::about(operation, &body) } else { Vec::new() };
            let trace = CallTrace::of_host(operation, &options);
            let executed = host_service::execute(server, permissions, operation, &body);
            let observed = observe(Transport::Grpc, operation, &about, trace, executed);
            observed.instrument(spans::host_request(operation, None)).await.map(Outcome::Message)
        }
    }
}

async fn execute_session(
    server: &ServerContext,
    operation: Operation,
    options: &mut CallOptions,
    request: &mut ReadRequest,
    body: Bytes,
) -> Result<Chunks, Problem> {
    let body = json_body(operation, &body)?;
    reply::message(operation, request.execute(server, operation, options, body).await?).await
}

/// An error status. All that is said goes into the headers, unless the client takes a message before them.
pub(super) fn reject(problem: &Problem, asked: &HeaderMap) -> Response<RpcBody> {
    log_rejection(problem);
    unlogged(problem, asked)
}

/// That of a client that was not let in.
pub(super) fn deny(problem: &Problem, asked: &HeaderMap, client: Client) -> Response<RpcBody> {
    log_denied(problem, client);
    unlogged(problem, asked)
}

fn unlogged(problem: &Problem, asked: &HeaderMap) -> Response<RpcBody> {
    let mut trailers = trailers_of(problem);
    if problem.code == ErrorCode::UnsupportedMediaType {
        trailers.extend([compression::accepted()]);
    }
    if errors_as_message(asked) {
        let message = Chunks::one(encode(&full_details(problem)));
        return response(RpcBody::Grpc { message, trailers: Some(trailers) });
    }
    let mut response = response(RpcBody::End);
    response.headers_mut().extend(trailers);
    response
}

/// Whether the client takes the details of an error as a message, which has room for all of them.
fn errors_as_message(headers: &HeaderMap) -> bool {
    headers.get(ERRORS).is_some_and(|how| how == ERRORS_AS_MESSAGE)
}

fn response(body: RpcBody) -> Response<RpcBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}
