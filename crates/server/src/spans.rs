//! Spans for the log, at the edges of the server. At the default level none is made: the check is one comparison.

use std::fmt::Display;

use beep_python_protocol::{CallOptions, HostOperation, Operation};
use tracing::{Span, debug_span};

/// The span of a connection.
#[inline]
pub(crate) fn connection(transport: &'static str, peer: impl Display) -> Span {
    debug_span!("connection", transport, %peer)
}

/// The span of a request to a session. It says nothing of the request's content.
#[inline]
pub(crate) fn session_request(operation: Operation, options: &CallOptions) -> Span {
    let (session, request_id) = (options.session.as_deref(), options.request_id.as_deref());
    debug_span!("request", operation = operation.pipe_command(), session, request_id)
}

/// The span of a request to the server itself.
#[inline]
pub(crate) fn host_request(operation: HostOperation) -> Span {
    debug_span!("request", operation = operation.pipe_command())
}
