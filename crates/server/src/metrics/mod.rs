//! What operators see of a server: `GET /metrics`, in the text of OpenMetrics, which Prometheus reads.
//!
//! The names are those of OpenTelemetry's conventions for RPC where these have one. No label has a value that a client chooses, so that
//! their number is bounded.

pub(crate) mod method;
pub(crate) mod observed;
pub(crate) mod outcome;
pub(crate) mod page;
mod process;
pub(crate) mod server_metrics;
