//! The page of all metrics.

use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::session::SessionManager;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use crate::metrics::server_metrics;

const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const TEXT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// All metrics.
pub(crate) async fn page(sessions: &Arc<SessionManager>) -> Result<Vec<u8>, Problem> {
    let sessions = sessions.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut text = sessions.metrics();
        server_metrics::text(&mut text);
        text.push_str("# EOF\n");
        text.into_bytes()
    });
    read.await.map_err(|error| Problem::new(ErrorCode::Internal, format!("the metrics cannot be read: {error}")))
}

/// The content type of the page for a client that accepts these. The older text of Prometheus is had by browsers, and by what names none:
/// it reads the same lines.
pub(crate) fn page_type(headers: &HeaderMap) -> HeaderValue {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    if accepted.any(|accept| accept.contains(OPEN_METRICS)) { OPEN_METRICS_TYPE } else { TEXT_TYPE }
}
