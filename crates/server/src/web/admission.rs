//! Whether a request finds a place: all are counted but those for health, which are answered whatever else is served.

use std::sync::Arc;

use beep_python_protocol::{HostOperation, Problem};
use http::header::CONNECTION;
use http::{HeaderValue, Response, StatusCode};
use tokio::sync::watch;

use crate::bounds::{Bounds, ConnectionPlace, RequestPlace};
use crate::stage::Stage;
use crate::web::probe::Probe;

/// The place of a request at this path, and why it has none where it is refused.
pub(crate) fn admit(
    bounds: &Arc<Bounds>,
    connection: &ConnectionPlace,
    path: &str,
) -> (Option<RequestPlace>, Option<Problem>) {
    if is_health(path) {
        return (None, None);
    }
    match connection.refusal().cloned().map_or_else(|| bounds.begin_request(), Err) {
        Ok(place) => (Some(place), None),
        Err(refused) => (None, Some(refused)),
    }
}

fn is_health(path: &str) -> bool {
    matches!(path, "/health" | "/metrics")
        || Probe::find(path).is_some()
        || path.starts_with("/grpc.health.")
        || path.ends_with(HostOperation::Health.rpc_name())
}

/// Has a client of HTTP/1.1 connect anew whose connection has a place that is kept back, or that a stopping server refuses: perhaps to
/// the next server.
pub(crate) fn part<B>(response: &mut Response<B>, connection: &ConnectionPlace, stage: &watch::Receiver<Stage>) {
    let is_refused = response.status() == StatusCode::SERVICE_UNAVAILABLE && stage.borrow().is_stopping();
    if is_refused || connection.refusal().is_some() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_what_orchestrators_ask_for() {
        let health = ["/health", "/livez", "/readyz", "/metrics", "/grpc.health.v1.Health/Check"];
        assert!(health.into_iter().all(is_health));
        let rpcs = HostOperation::ALL.map(|what| (what, format!("/beep.python.runtime.{}", what.rpc_name())));
        assert!(rpcs.into_iter().all(|(what, path)| is_health(&path) == (what == HostOperation::Health)));
        assert!(!["/", "/api/eval", "/healthy", "/api/sessions"].into_iter().any(is_health));
    }
}
