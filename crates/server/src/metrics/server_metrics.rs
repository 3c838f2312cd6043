//! What all backends of this process count.

use std::cell::RefCell;
use std::sync::LazyLock;

use beep_python_protocol::ErrorCode;
use beep_python_runtime::session::{MetricsFormat, TIMES};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::metrics::method::Method;
use crate::metrics::process::ProcessCollector;

/// The metrics of the server that this process is.
static METRICS: LazyLock<ServerMetrics> = LazyLock::new(ServerMetrics::new);

struct ServerMetrics {
    registry: Registry,
    calls: Family<CallLabels, Histogram>,
    refusals: Family<Refusal, Counter>,
    #[cfg(feature = "otel")]
    spans: Family<SpanLabels, Counter>,
    received: Counter,
    sent: Counter,
}

/// What tells one class of calls from another.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct CallLabels {
    pub(super) rpc_system: &'static str,
    pub(super) rpc_method: Method,
    /// Nothing where the call succeeded.
    pub(super) error_type: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Refusal {
    reason: &'static str,
}

#[cfg(feature = "otel")]
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SpanLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Direction {
    direction: &'static str,
}

impl ServerMetrics {
    fn new() -> ServerMetrics {
        let mut registry = Registry::default();
        let calls = Family::new_with_constructor((|| Histogram::new(TIMES)) as fn() -> Histogram);
        let (refusals, bytes) = (Family::<Refusal, Counter>::default(), Family::<Direction, Counter>::default());
        registry.register_with_unit(
            "rpc_server_call_duration",
            "How long calls took, from their last byte to their answer",
            Unit::Seconds,
            calls.clone(),
        );
        registry.register("beep_refusals", "Requests that were refused, by their error code", refusals.clone());
        #[cfg(feature = "otel")]
        let spans = Family::default();
        #[cfg(feature = "otel")]
        registry.register("beep_spans", "Spans of calls, by what became of them", spans.clone());
        registry.register(
            "beep_bytes",
            "Bytes over all connections, without data that goes as descriptors",
            bytes.clone(),
        );
        registry.register_collector(Box::new(ProcessCollector));
        let counter = |direction| bytes.get_or_create(&Direction { direction }).clone();
        let (received, sent) = (counter("in"), counter("out"));
        ServerMetrics {
            registry,
            calls,
            refusals,
            #[cfg(feature = "otel")]
            spans,
            received,
            sent,
        }
    }
}

/// A call took so long.
pub(super) fn called(labels: &CallLabels, seconds: f64) {
    thread_local! {
        // One call is as the one before it, most often: to find its histogram takes longer than to add to it.
        static LAST: RefCell<Option<(CallLabels, Histogram)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| match last {
        Some((known, histogram)) if known == labels => histogram.observe(seconds),
        _ => {
            let histogram = METRICS.calls.get_or_create(labels).clone();
            histogram.observe(seconds);
            *last = Some((labels.clone(), histogram));
        }
    });
}

/// A request was refused with this code.
pub(crate) fn refused(code: ErrorCode) {
    METRICS.refusals.get_or_create(&Refusal { reason: code.as_str() }).inc();
}

/// So many spans were `exported`, or lost.
#[cfg(feature = "otel")]
pub(crate) fn spans_ended(outcome: &'static str, count: u64) {
    METRICS.spans.get_or_create(&SpanLabels { outcome }).inc_by(count);
}

/// So many bytes came over a connection.
pub(crate) fn received(bytes: usize) {
    METRICS.received.inc_by(bytes as u64);
}

/// So many bytes went out over a connection.
pub(crate) fn sent(bytes: usize) {
    METRICS.sent.inc_by(bytes as u64);
}

/// Appends all of them, but for the mark of the end.
pub(super) fn encode(format: MetricsFormat, out: &mut String) {
    format.encode(&METRICS.registry, out);
}
