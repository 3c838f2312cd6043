//! A session seen from outside, while it may be busy.

use serde::{Deserialize, Serialize};

use crate::message::SessionInfo;

/// The answer of `GET /api/sessions/{sessionId}/inspect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionInspection {
    /// What is known of it at any time.
    #[serde(flatten)]
    pub session: SessionInfo,
    /// For how long the call that runs has been running, in milliseconds; absent while none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_ms: Option<u64>,
    /// Where its threads stand; none where the worker did not say so in time.
    #[serde(default)]
    pub threads: Vec<ThreadStack>,
}

/// Where a thread stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadStack {
    /// Its identity, as `threading.get_ident()` gives it, in hexadecimal.
    pub thread: String,
    /// Whether it is the one that runs the calls.
    pub main: bool,
    /// Its frames, the innermost first, without the host's own.
    pub frames: Vec<StackFrame>,
}

/// One frame of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackFrame {
    /// The file, or the name of the source: `<session 3>`.
    pub file: String,
    /// The line in it.
    pub line: u64,
    /// The function.
    pub function: String,
}

/// The answer of `GET /api/sessions/{sessionId}/handles`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandleList {
    /// All that it holds, the oldest first.
    pub handles: Vec<HeldObject>,
}

/// An object that a session holds for a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldObject {
    /// Its handle.
    pub handle_id: String,
    /// Its type: `numpy.ndarray`.
    pub type_name: String,
    /// How many bytes it takes itself, where that is known; of an array, those of its data.
    #[serde(default)]
    pub size: Option<u64>,
    /// How long it has been held, in milliseconds.
    pub age_ms: u64,
    /// How long it may be unused before it is released, where it has a lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// How much of that is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_left_ms: Option<u64>,
    /// Its `repr`, shortened, where that did not fail.
    #[serde(default)]
    pub repr: Option<String>,
}
