//! The body of an error response: RFC 9457 `application/problem+json` with a stable code.

use serde::{Deserialize, Serialize};

use crate::death::WorkerDeath;
use crate::error::ErrorCode;
use crate::exception::{Frame, PythonException, report};

/// What became of a call that was cancelled or ran out of time.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It had not started; nothing of it ran.
    NotStarted,
    /// It was interrupted; the session keeps its state.
    StateKept,
    /// Its worker was killed; the session was restarted empty.
    StateLost,
    /// It was interrupted, caught that, and went on to its end; the session keeps its state.
    Finished,
}

/// An error response.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A short title, the same for every error of this code.
    pub title: String,
    /// The HTTP status, also on wires that have none.
    pub status: u16,
    /// The stable code.
    pub code: ErrorCode,
    /// What failed, on what, why, and what to do next.
    pub detail: String,
    /// The exception, if Python raised one; of a call that was interrupted, the one that ended it, as a rule the `KeyboardInterrupt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<Box<PythonException>>,
    /// Whether the call may have run; absent where that is certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<bool>,
    /// True if the code ran to its end, and only its result could not be sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ran: bool,
    /// What became of a cancelled call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Where the code was, outermost frame first: when the interrupt reached a call that finished all the same, or before the worker was
    /// killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traceback: Vec<Frame>,
    /// The results so far, of a batch that was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<serde_json::Value>,
    /// Of a call that finished although it was to stop: the keys of its answer, `value` or those of a handle.
    #[serde(flatten)]
    pub answer: serde_json::Map<String, serde_json::Value>,
    /// How the worker ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub death: Option<Box<WorkerDeath>>,
    /// What the call wrote to standard output before it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// What the call wrote to standard error before it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// How many bytes of the output were left out.
    #[serde(default, skip_serializing_if = "crate::data::is_zero")]
    pub omitted_output_bytes: u64,
    /// The session's epoch: 1 at first, one more after each restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_epoch: Option<u64>,
}

impl Problem {
    /// A problem of this code; `detail` is a sentence that says what happened.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Problem {
        Problem {
            title: code.title().to_owned(),
            status: code.http_status(),
            code,
            detail: detail.into(),
            exception: None,
            started: None,
            ran: false,
            outcome: None,
            traceback: Vec::new(),
            results: None,
            answer: serde_json::Map::new(),
            death: None,
            stdout: String::new(),
            stderr: String::new(),
            omitted_output_bytes: 0,
            session_epoch: None,
        }
    }
}

impl Problem {
    /// Where the code was when it was interrupted or killed, as Python writes a traceback; `None` where it is not known.
    pub fn place(&self) -> Option<String> {
        match &self.exception {
            Some(exception) => Some(format!("{exception:#}")),
            None if self.traceback.is_empty() => None,
            None => Some(report(&self.traceback)),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}
