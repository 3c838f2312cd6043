//! A debugger in a session.

use serde::{Deserialize, Serialize};

/// The body of `POST /api/sessions/{sessionId}/debug`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugRequest {
    /// Whether debugpy is to be installed into the session's environment where it is not there.
    #[serde(default)]
    pub install: bool,
}

/// Where a session's debugger listens, over TCP, for a client that speaks the debug adapter protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debugger {
    /// The address, which is a loopback one.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The version of debugpy, where it says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debugpy: Option<String>,
}
