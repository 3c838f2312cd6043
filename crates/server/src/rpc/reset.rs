//! A client cancels its call: over HTTP/2 it resets the request's stream. Clients of gRPC do that when a call is cancelled, and
//! when its deadline passes. A connection that is lost resets nothing: what happens then is a call option.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use beep_python_protocol::{CallOptions, Operation, Problem};
use beep_python_runtime::session::service::operation::{Caller, execute_operation};
use beep_python_runtime::session::{EventStream, Payload, Response};
use http::Version;
use hyper::body::{Body, Incoming};

use crate::metrics::observed::Observed;
use crate::server_context::ServerContext;
use crate::traces::CallTrace;
use crate::transport::Transport;

/// A request whose body was read to its end.
pub(super) struct ReadRequest {
    transport: Transport,
    version: Version,
    body: Incoming,
}

impl ReadRequest {
    pub(super) fn new(transport: Transport, version: Version, body: Incoming) -> ReadRequest {
        ReadRequest { transport, version, body }
    }

    /// Executes the operation that the request asks for; a reset cancels it.
    pub(super) async fn execute(
        &mut self,
        server: &ServerContext,
        operation: Operation,
        options: &mut CallOptions,
        payload: impl Into<Payload>,
    ) -> Result<Response, Problem> {
        let cancelled = AtomicBool::new(false);
        let caller = Caller { cancelled: self.cancels(options).then_some(&cancelled), request_id: None };
        let payload = payload.into();
        let observed = Observed::begin(self.transport, operation, &payload.body, CallTrace::begin(operation, options));
        let call = pin!(execute_operation(&server.sessions, operation, options, caller, payload));
        // Declared after the call, so that it is dropped before.
        let note = NoteOnDrop { request: Some(self), cancelled: &cancelled };
        let response = call.await;
        note.disarm();
        observed.end(response.as_ref());
        response
    }

    /// Observes a call that has events.
    pub(super) fn observe(&self, operation: Operation, options: &mut CallOptions, body: &[u8]) -> Observed {
        Observed::begin(self.transport, operation, body, CallTrace::begin(operation, options))
    }

    /// Lets a reset cancel the call of these events.
    pub(super) fn cancel(mut self, options: &CallOptions, events: &mut EventStream) {
        if self.cancels(options) {
            events.cancel_on_drop_if(move || self.was_reset());
        }
    }

    /// Whether a reset cancels a call of these options: it does not where they say what becomes of the call without its client.
    fn cancels(&self, options: &CallOptions) -> bool {
        options.cancel_on_disconnect.is_none() && self.version == Version::HTTP_2
    }

    /// Whether the stream of a request that hyper has dropped was reset. If the connection was lost, reading fails; after a reset
    /// there is only no more to read, since the body has ended already.
    fn was_reset(&mut self) -> bool {
        let more = Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(Waker::noop()));
        !matches!(more, Poll::Ready(Some(Err(_))))
    }
}

/// Notes, when a call is dropped before it has its response, whether its client has cancelled it.
struct NoteOnDrop<'a> {
    request: Option<&'a mut ReadRequest>,
    cancelled: &'a AtomicBool,
}

impl NoteOnDrop<'_> {
    fn disarm(mut self) {
        self.request = None;
    }
}

impl Drop for NoteOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            self.cancelled.store(request.was_reset(), Ordering::Relaxed);
        }
    }
}
