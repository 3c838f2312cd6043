//! What a worker heeds beside the request itself; `WORKER.md` shows it as a frame of limits.

use std::sync::Arc;

use serde::Serialize;

/// What the worker itself heeds: limits of one request, or of all, and what the client of a request wants to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestLimits {
    /// How many handles the request may make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handles: Option<u64>,
    /// The largest result, or item of a stream, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result_bytes: Option<u64>,
    /// The lease of the handles that the request makes, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lease_ms: Option<u64>,
    /// Whether the client wants to be told of log records.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) log: bool,
    /// Whether the client wants to be told how far the code is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) progress: bool,
    /// Whether an exception comes with the variables of its frames.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) locals: bool,
    /// The trace that the request is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<Arc<str>>,
    /// What tracing systems note of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tracestate: Option<Arc<str>>,
    /// Of a session: the bytes of the data that it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_bytes: Option<u64>,
    /// Of a session: the number of such data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_count: Option<u64>,
}

impl RequestLimits {
    /// As JSON; `None` where nothing is limited.
    pub(crate) fn to_json(&self) -> Option<Vec<u8>> {
        (*self != RequestLimits::default()).then(|| serde_json::to_vec(self).ok()).flatten()
    }
}
