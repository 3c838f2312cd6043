//! Operations of a session, as every transport asks the session core for them.

use std::borrow::Cow;
use std::future::ready;
use std::sync::atomic::AtomicBool;

use beep_python_protocol::{CallOptions, ErrorCode, Operation, Problem};
use bytes::Bytes;
use futures_util::future::{BoxFuture, Either};

use crate::session::call::{CallResult, Payload, Request, RequestId, Response};
use crate::session::event_stream::EventStream;
use crate::session::manager::manager::SessionManager;
use crate::session::session::Session;
use crate::worker::chunks::Chunks;

/// What a transport knows of a caller beside the call's options.
#[derive(Clone, Debug, Default)]
pub struct Caller<'a> {
    /// Names the call on its connection where its options do not.
    pub request_id: Option<RequestId>,
    /// True once the caller has cancelled the call; it is read when the call's future is dropped.
    pub cancelled: Option<&'a AtomicBool>,
}

/// Executes one operation. Its body, a JSON object, goes to the worker as it is.
pub async fn execute_operation(
    sessions: &SessionManager,
    operation: Operation,
    options: &CallOptions,
    caller: Caller<'_>,
    payload: impl Into<Payload>,
) -> Result<Response, Problem> {
    // No `?`: the future would keep its result, which is as large as a problem.
    let begun = match begin(sessions, operation, options, caller, payload.into()) {
        Ok(begun) => begun,
        Err(problem) => return Err(problem),
    };
    Ok(begun.await)
}

/// Begins an operation. What that takes is not held until the end: every call's future would be as large as it.
fn begin<'a>(
    sessions: &'a SessionManager,
    operation: Operation,
    options: &'a CallOptions,
    caller: Caller<'a>,
    payload: Payload,
) -> Result<Either<impl Future<Output = Response> + use<'a>, BoxFuture<'a, Response>>, Problem> {
    let session = session_of(sessions, options)?;
    if operation == Operation::Answer {
        if !payload.data.is_empty() {
            let detail = "data cannot go with an answer: put them within the callback, and answer with their handle";
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        }
        session.answer(payload.body, options.form())?;
        let result = CallResult::Object(Chunks::from(Bytes::from_static(br#"{"success":true}"#)));
        let response = Response { result, output: Default::default(), epoch: session.epoch() };
        return Ok(Either::Right(Box::pin(ready(response))));
    }
    if options.is_isolated() && options.callback.is_some() {
        return Err(Problem::new(
            ErrorCode::InvalidRequest,
            "an isolated call is of no session, and not within a callback",
        ));
    }
    let Caller { request_id, cancelled } = caller;
    let request = request(operation, options, request_id, payload);
    Ok(match &options.callback {
        Some(client_request) => {
            Either::Right(Box::pin(async move { session.nest(client_request, request, cancelled).await }))
        }
        None if options.is_isolated() => {
            Either::Right(Box::pin(async move { sessions.isolated_cancellable(&session, request, cancelled).await }))
        }
        None => Either::Left(session.call_cancellable(request, cancelled)),
    })
}

/// Executes one operation with its events; the last is the response. `request_id` names the call as [`Caller`] does.
pub fn subscribe(
    sessions: &SessionManager,
    operation: Operation,
    options: &CallOptions,
    request_id: Option<RequestId>,
    payload: impl Into<Payload>,
) -> Result<EventStream, Problem> {
    if options.is_isolated() {
        let detail =
            "an isolated call tells nothing but its answer: make it without events and capabilities, or in a session";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    if options.callback.is_some() {
        // In a turn of its own it would wait for the call that waits for the callback.
        let detail = "within a callback only what has no events can be asked for";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    let request = request(operation, options, request_id, payload.into());
    Ok(session_of(sessions, options)?.subscribe(request, options.offered()))
}

pub(super) fn session_of<'a>(sessions: &'a SessionManager, options: &CallOptions) -> Result<Cow<'a, Session>, Problem> {
    Ok(match &options.session {
        Some(id) => Cow::Owned(sessions.get(id)?),
        None => Cow::Borrowed(sessions.default_session()),
    })
}

fn request(operation: Operation, options: &CallOptions, request_id: Option<RequestId>, payload: Payload) -> Request {
    let named = options.request_id.as_deref().map(|id| RequestId::new(Bytes::copy_from_slice(id.as_bytes())));
    Request {
        operation,
        payload,
        form: options.form(),
        deadline: options.timeout,
        grace: options.grace,
        limits: options.limits.as_deref().map(|limits| Box::new(limits.clone())),
        lease: options.lease,
        traceback_locals: options.tells_traceback_locals(),
        request_id: named.or(request_id),
        cancel_on_disconnect: options.cancels_on_disconnect(),
        trace: options.trace_context().map(Box::new),
    }
}
