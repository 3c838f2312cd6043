//! The page of all metrics.

use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::session::{MetricsFormat, SessionManager};
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use crate::metrics::server_metrics;

const OPEN_METRICS: &str = "application/openmetrics-text";

/// All metrics, in the format that the client likes best, with its content type.
pub(crate) async fn page(
    sessions: &Arc<SessionManager>,
    headers: &HeaderMap,
) -> Result<(HeaderValue, Vec<u8>), Problem> {
    let format = accepted(headers);
    let sessions = sessions.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut text = sessions.metrics(format);
        server_metrics::encode(format, &mut text);
        if format == MetricsFormat::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text.into_bytes()
    });
    let content_type = HeaderValue::from_static(match format {
        MetricsFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        MetricsFormat::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
    });
    match read.await {
        Ok(text) => Ok((content_type, text)),
        Err(error) => Err(Problem::new(ErrorCode::Internal, format!("the metrics cannot be read: {error}"))),
    }
}

/// OpenMetrics where the client accepts that; else the older text, which everything reads, browsers too.
fn accepted(headers: &HeaderMap) -> MetricsFormat {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let mut ranges = accepted.flat_map(|accept| accept.split(','));
    let is_open = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        parts.next() == Some(OPEN_METRICS) && !parts.any(|part| part == "q=0")
    };
    if ranges.any(is_open) { MetricsFormat::OpenMetrics } else { MetricsFormat::Prometheus }
}
