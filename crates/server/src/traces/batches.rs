//! Spans on their way to the exporter: how many wait, and what becomes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};

use crate::line_budget::within_budget;
use crate::metrics::server_metrics::spans_ended;
use crate::traces::collector::Trouble;

/// What became of a span, as the metric `beep_spans_total` has it.
const EXPORTED: &str = "exported";
const FAILED: &str = "failed";
const QUEUE_FULL: &str = "queue_full";

/// Has all of them on the page of metrics, so that the first one that is lost is an increase.
pub(super) fn show_counts() {
    for outcome in [EXPORTED, FAILED, QUEUE_FULL] {
        spans_ended(outcome, 0);
    }
}

/// Takes spans in as long as there is room. The library's own processor drops the rest as well, and tells no number.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) batches: BatchSpanProcessor,
    pub(super) room: usize,
    pub(super) waiting: Arc<AtomicUsize>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::AcqRel) < self.room {
            self.batches.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            spans_ended(QUEUE_FULL, 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Counts what the exporter does, and tells when it begins and ceases to fail.
#[derive(Debug)]
pub(super) struct Counted<E> {
    pub(super) exporter: E,
    /// Where spans go, for people.
    pub(super) collector: String,
    pub(super) trouble: Trouble,
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) is_failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.waiting.fetch_sub(count, Ordering::AcqRel);
        let exported = self.exporter.export(batch).await;
        let outcome = if exported.is_ok() { EXPORTED } else { FAILED };
        spans_ended(outcome, count as u64);
        let was_failing = self.is_failing.swap(exported.is_err(), Ordering::Relaxed);
        let collector = &self.collector;
        match &exported {
            Ok(()) if was_failing => {
                within_budget("collector", || tracing::info!("{collector} takes spans again"));
            }
            Err(error) if !was_failing => {
                let why = self.trouble.lock().take().unwrap_or_else(|| error.to_string());
                within_budget("collector", || {
                    tracing::warn!(
                        "{collector} does not take spans: {why}; they are lost until it does, and counted in `beep_spans_total`"
                    );
                });
            }
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.exporter.shutdown()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
