//! A debugger in a session.

use serde::{Deserialize, Serialize};

/// The body of `POST /api/sessions/{sessionId}/debug`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugRequest {
    /// Whether to install debugpy into the session's environment if it is missing.
    #[serde(default)]
    pub install: bool,
}

/// The TCP address of a session's debug server, for a client of the debug adapter protocol.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debugger {
    /// The address, always a loopback address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The version of debugpy, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debugpy: Option<String>,
}
