//! A session seen from outside, while it may be busy.

use serde::{Deserialize, Serialize};

use crate::message::session::{CallInfo, SessionInfo};

/// The response of `GET /api/sessions/{sessionId}/inspect`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionInspection {
    /// The session's description.
    #[serde(flatten)]
    pub session: SessionInfo,
    /// The calls that wait for their turn, in its order; the first hundred of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<CallInfo>,
    /// The stacks of its threads; empty if the worker did not report them in time.
    #[serde(default)]
    pub threads: Vec<ThreadStack>,
}

/// The stack of a thread.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadStack {
    /// Its identity, `threading.get_ident()`, in hexadecimal.
    pub thread: String,
    /// Whether it is the thread that runs the calls.
    pub main: bool,
    /// Its frames, innermost first, without those of the host's own code.
    pub frames: Vec<StackFrame>,
}

/// One frame of a stack.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackFrame {
    /// The file, or the name of the source: `<session 3>`.
    pub file: String,
    /// The line in it.
    pub line: u64,
    /// The function.
    pub function: String,
}

/// The response of `GET /api/sessions/{sessionId}/handles`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandleList {
    /// The session's handles, oldest first.
    pub handles: Vec<HeldObject>,
}

/// An object that a session keeps for a client.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldObject {
    /// Its handle.
    pub handle_id: String,
    /// Its type: `numpy.ndarray`.
    pub type_name: String,
    /// Its own size in bytes, if known; for an array, the size of its data.
    #[serde(default)]
    pub size: Option<u64>,
    /// How long the session has kept it, in milliseconds.
    pub age_ms: u64,
    /// Its lease: how long it may be unused before it is released, in milliseconds. Absent without a lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// How much of the lease is left, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_left_ms: Option<u64>,
    /// Its `repr`, shortened; absent if that failed.
    #[serde(default)]
    pub repr: Option<String>,
}
