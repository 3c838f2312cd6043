//! Traces for operators: a span for each call, sent to a collector of OpenTelemetry where the standard variables name one.
//!
//! A call's span is a child of its client's, and the parent of those that its code makes. Spans are sent by a thread of their own;
//! what it cannot send in time is lost and counted, and no call waits for it.

#[cfg(feature = "otel")]
mod batches;
#[cfg(feature = "otel")]
mod call_trace;
#[cfg(feature = "otel")]
mod collector;
#[cfg(feature = "otel")]
mod export;
#[cfg(feature = "otel")]
mod settings;
#[cfg(not(feature = "otel"))]
mod unsupported;
mod variables;

#[cfg(feature = "otel")]
pub(crate) use call_trace::CallTrace;
#[cfg(feature = "otel")]
pub(crate) use export::{start, stop};
#[cfg(feature = "otel")]
pub use settings::TraceSettings;
#[cfg(not(feature = "otel"))]
pub use unsupported::TraceSettings;
#[cfg(not(feature = "otel"))]
pub(crate) use unsupported::{CallTrace, start, stop};
