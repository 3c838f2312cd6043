//! Messages of the operations that concern the host and its sessions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::death::WorkerDeath;

/// The response of `GET /health`. A host may report more.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// `ok` if the host accepts calls.
    pub status: String,
    /// The rest of the response.
    #[serde(flatten)]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// The body of `POST /api/cancel`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelRequest {
    /// The request id of the call.
    pub request_id: String,
    /// How long the call may take to stop before its worker is killed, in milliseconds; the call's own grace when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
    /// Whether it is only interrupted once, as by Ctrl-C: it goes on if its code catches that, and no grace begins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
}

/// The response of `POST /api/cancel`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelResponse {
    /// What became of the call.
    pub outcome: CancelOutcome,
}

/// The outcome of a cancel; of several calls, the last of these words that applies to one of them.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelOutcome {
    /// No call in progress has this id: it is over, or has not arrived.
    NotFound,
    /// The call ended by itself before it could be stopped.
    Finished,
    /// The call had not started; nothing of it ran.
    NotStarted,
    /// The call was interrupted once; its code decides what becomes of it.
    Interrupted,
    /// The call was interrupted; the session keeps its state.
    StateKept,
    /// The call's worker was killed; its session was restarted empty.
    StateLost,
}

impl CancelOutcome {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            CancelOutcome::NotFound => "not_found",
            CancelOutcome::Finished => "finished",
            CancelOutcome::NotStarted => "not_started",
            CancelOutcome::Interrupted => "interrupted",
            CancelOutcome::StateKept => "state_kept",
            CancelOutcome::StateLost => "state_lost",
        }
    }
}

/// The body of `POST /api/sessions/{sessionId}/interrupt`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InterruptRequest {
    /// How long the call may take to stop before its worker is killed, in milliseconds; the call's own grace when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
    /// Whether the calls that wait behind it are cancelled as well.
    #[serde(default)]
    pub abort_queued: bool,
    /// Whether it is only interrupted once, as by Ctrl-C: it goes on if its code catches that, and no grace begins.
    #[serde(default)]
    pub once: bool,
}

/// The response of `POST /api/sessions/{sessionId}/interrupt`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterruptResponse {
    /// What became of the running call; [`CancelOutcome::NotFound`] where none was running.
    pub outcome: CancelOutcome,
    /// How many calls that waited were cancelled with it.
    pub aborted: u64,
}

/// The response of `POST /api/sessions`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionCreated {
    /// The session's id.
    pub session_id: String,
}

/// The response of `GET /api/sessions`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionList {
    /// All sessions.
    pub sessions: Vec<SessionInfo>,
}

/// The description of a session.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// The session's id.
    pub session_id: String,
    /// Its epoch: 1 at first, one more after each restart. 0 while it has not been used.
    #[serde(default)]
    pub session_epoch: u64,
    /// Its worker process, while there is one.
    #[serde(default)]
    pub pid: Option<i32>,
    /// The number of calls without a response yet.
    #[serde(default)]
    pub calls: u64,
    /// How many calls have had their response, isolated ones that it was the model of among them.
    #[serde(default)]
    pub answered: u64,
    /// How many of these were answered with an error or an exception.
    #[serde(default)]
    pub failed: u64,
    /// The call that is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<CallInfo>,
    /// How long that has been running, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_ms: Option<u64>,
    /// The folder of its environment.
    #[serde(default)]
    pub environment: String,
    /// The version of its Python.
    #[serde(default)]
    pub python: Option<String>,
    /// The labels of its client.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How long no call has been in progress, in milliseconds; absent while one is.
    #[serde(default)]
    pub idle_ms: Option<u64>,
    /// The resident memory of its worker.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// The processor time of its worker, and of the ended processes that this had started, in milliseconds.
    #[serde(default)]
    pub cpu_ms: Option<u64>,
    /// How long it may be without a call, in milliseconds; absent where it may be for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
    /// Whether its worker is stopped, by a signal or a debugger, and so answers nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// Whether it has lost its state at least once.
    #[serde(default)]
    pub restarted: bool,
    /// How its last worker ended, if it was restarted.
    #[serde(default)]
    pub last_death: Option<WorkerDeath>,
}

/// A call that has no response yet.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallInfo {
    /// Its number in the session, in order of arrival.
    pub call_id: u64,
    /// The id by which it can be cancelled from any connection, if its client gave it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The operation, by its word on the pipe: `eval`.
    pub operation: String,
    /// How long ago it arrived, in milliseconds.
    pub age_ms: u64,
}

/// The response of `POST /api/sessions/{sessionId}/restart`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRestarted {
    /// Always true; a failure is an error response.
    pub success: bool,
    /// The new epoch.
    pub session_epoch: u64,
}
