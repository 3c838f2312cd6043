//! Logging rejected requests and broken connections, once each, within bounds.

use std::error::Error;
use std::io;

use beep_python_protocol::{ErrorCode, Problem};

use crate::auth::client::Client;
use crate::line_budget::{name_client, within_budget};
use crate::metrics::server_metrics::refused;

/// Logs and counts an error response if the request or the host was at fault. Python exceptions and missing objects concern the
/// client alone.
pub(crate) fn log_rejection(problem: &Problem) {
    log(problem, None);
}

/// The same, of a client that was not let in.
pub(crate) fn log_denied(problem: &Problem, client: Client) {
    name_client(client);
    log(problem, Some(client));
}

fn log(problem: &Problem, client: Option<Client>) {
    let at_fault = matches!(
        problem.code,
        ErrorCode::InvalidRequest
            | ErrorCode::UnknownOperation
            | ErrorCode::MethodNotAllowed
            | ErrorCode::UnsupportedMediaType
            | ErrorCode::BodyTooLarge
            | ErrorCode::Overloaded
            | ErrorCode::RequestTimeout
            | ErrorCode::Unauthorized
            | ErrorCode::ForbiddenHost
            | ErrorCode::ForbiddenOrigin
            | ErrorCode::Forbidden
            | ErrorCode::Internal
    );
    if at_fault {
        refused(problem.code);
    }
    let code = problem.code.as_str();
    match problem.code {
        // Their details quote what the client sent: code, values, addresses with passwords.
        ErrorCode::InvalidRequest | ErrorCode::UnknownOperation => {
            within_budget(code, || tracing::warn!(code, "a request was refused; its answer says why"));
        }
        _ if at_fault => within_budget(code, || {
            tracing::warn!(
                code,
                client = client.map(tracing::field::display),
                "a request was refused: {}",
                problem.detail
            );
        }),
        _ => {}
    }
}

/// Logs why a connection broke: usually because the client is gone, else because it violates the protocol.
pub(crate) fn log_disconnect(error: &hyper::Error) {
    let mut cause = error.source();
    let mut gone = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
    while let Some(inner) = cause {
        gone |= inner.is::<io::Error>();
        cause = inner.source();
    }
    if gone {
        tracing::debug!("a client is gone: {error}");
    } else if error.is_timeout() {
        within_budget("closed_idle", || tracing::info!("a connection is closed: nothing more came"));
    } else {
        let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
        within_budget("protocol_violated", || tracing::warn!("a connection is closed: {error}{why}"));
    }
}
