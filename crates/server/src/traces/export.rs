//! Exporting spans, from the server's start to its end.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use beep_python_runtime::platform::mask_credentials;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider};

use crate::traces::batches::{Bounded, Counted, show_counts};
use crate::traces::collector::{Collector, Trouble, with_causes};
use crate::traces::settings::{Exporting, TraceSettings};

/// How long a server that stops waits for its last spans to be taken.
const LAST_SPANS: Duration = Duration::from_secs(2);
const NAME: &str = "beep-python";
const VERSION: &str = env!("CARGO_PKG_VERSION");

static EXPORT: OnceLock<Export> = OnceLock::new();

struct Export {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// What makes spans; `None` where none are exported.
#[inline]
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    EXPORT.get().map(|export| &export.tracer)
}

/// Begins to export spans as the server of this id, where that is asked for. What hinders it is told, and keeps no server from starting.
pub(crate) fn start(settings: &TraceSettings, server: &str) {
    for wrong in &settings.wrong {
        tracing::warn!("{wrong}");
    }
    let Some(exporting) = &settings.exporting else { return };
    let collector = mask_credentials(&exporting.endpoint);
    match open(exporting, server, collector.clone()) {
        Ok(provider) => {
            let scope = InstrumentationScope::builder(NAME).with_version(VERSION).build();
            let tracer = provider.tracer_with_scope(scope);
            if EXPORT.set(Export { provider, tracer }).is_ok() {
                show_counts();
                tracing::info!("spans of calls are exported to {collector}");
            }
        }
        Err(error) => tracing::warn!("no spans are exported to {collector}: {}", with_causes(error.as_ref())),
    }
}

fn open(
    exporting: &Exporting,
    server: &str,
    collector: String,
) -> Result<SdkTracerProvider, Box<dyn std::error::Error>> {
    let (trouble, waiting) = (Trouble::default(), Arc::default());
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector::open(exporting, trouble.clone())?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&exporting.endpoint)
        .with_timeout(exporting.timeout)
        .with_headers(exporting.headers.clone())
        .build()?;
    let counted =
        Counted { exporter, collector, trouble, waiting: Arc::clone(&waiting), is_failing: Default::default() };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(exporting.queue)
        .with_max_export_batch_size(exporting.batch)
        .with_scheduled_delay(exporting.delay)
        .build();
    let batches = BatchSpanProcessor::new(counted, batches);
    // What `OTEL_RESOURCE_ATTRIBUTES` says of the same wins.
    let own = [("service.name", NAME), ("service.version", VERSION), ("service.instance.id", server)];
    let own = own.map(|(key, value)| KeyValue::new(key, value.to_owned()));
    let resource = Resource::builder_empty()
        .with_attributes(own)
        .with_attributes(exporting.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())));
    Ok(SdkTracerProvider::builder()
        .with_span_processor(Bounded { batches, room: exporting.queue, waiting })
        .with_sampler(exporting.sampler.clone())
        .with_resource(resource.build())
        .build())
}

/// Sends the last spans, within bounds.
pub(crate) async fn stop() {
    let Some(Export { provider, .. }) = EXPORT.get() else { return };
    let stopped = tokio::task::spawn_blocking(|| provider.shutdown_with_timeout(LAST_SPANS)).await;
    if !matches!(stopped, Ok(Ok(()))) {
        tracing::warn!("the last spans were not taken within {LAST_SPANS:?}, and are lost");
    }
}
