//! Spans for the log, at the edges of the server. At the default level none is made: the check is one comparison.

use std::fmt::Display;

use beep_python_protocol::{CallOptions, DEFAULT_SESSION, HostOperation, Operation};
use tracing::field::Empty;
use tracing::{Span, debug_span};

/// The target of these spans.
pub(crate) const TARGET: &str = "beep_python_server::spans";

/// The span of a connection. `token` is the name of the one that the client has shown last.
#[inline]
pub(crate) fn connection(transport: &'static str, peer: impl Display) -> Span {
    debug_span!(target: TARGET, "connection", transport, %peer, token = Empty)
}

/// The client of the present connection has shown this token.
pub(crate) fn shows_token(name: &str) {
    Span::current().record("token", name);
}

/// The span of a request to a session. It says nothing of the request's content.
#[inline]
pub(crate) fn session_request(operation: Operation, options: &CallOptions) -> Span {
    let own = (!options.is_isolated()).then_some(DEFAULT_SESSION);
    let (session, request_id) = (options.session.as_deref().or(own), options.request_id.as_deref());
    debug_span!(target: TARGET, "request", operation = operation.pipe_command(), session, request_id)
}

/// The span of a request to the server itself, about this session where its path names one.
#[inline]
pub(crate) fn host_request(operation: HostOperation, session: Option<&str>) -> Span {
    debug_span!(target: TARGET, "request", operation = operation.pipe_command(), session)
}
