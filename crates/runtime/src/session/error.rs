//! The errors that callers get when no answer of the worker stands behind them: their call was stopped, or their worker
//! is gone.

use std::time::Duration;

use beep_python_protocol::{ErrorCode, Frame, Outcome, Problem, PythonException, WorkerDeath};
use serde::Deserialize;

use crate::session::call::CallResult;

/// The exit status of a worker that cannot reach its host any more; the Python side has it too.
const LINK_BROKEN: i32 = 70;

/// The exit status of a worker whose own loop failed; the Python side has it too.
const LOOP_BROKEN: i32 = 71;

/// What is said of a session that goes on without what it had.
const RESTARTED: &str = "; the session was restarted empty";
const KILLED: &str = "did not stop when interrupted, so its worker was killed";
const EMPTY_NOW: &str = "; the session is empty now";

/// The same problem of an isolated call: there is no session that goes on.
pub(crate) fn tell_of_isolated_call(problem: &mut Problem) {
    for told in [RESTARTED, EMPTY_NOW] {
        problem.detail = problem.detail.replace(told, "");
    }
    problem.detail = problem.detail.replace("the session's worker", "its worker");
}

/// Why this host killed a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KillReason {
    /// A call did not stop when it was interrupted.
    CallUnresponsive,
    /// It was busy outside of any call and started none: a background thread or task holds it.
    WorkerStuck,
    /// It sent what has no meaning on its link to the host.
    BrokeLink,
    /// The host had no memory for its answer.
    NoMemory,
    /// The session was closed.
    Closing,
    /// The session was restarted on request.
    Restarting,
    /// The session was beyond a limit while no call ran, or still after one was stopped for it.
    LimitExceeded(ErrorCode),
}

impl KillReason {
    /// What its calls are told that are stopped for it.
    pub(crate) fn code(self) -> ErrorCode {
        match self {
            KillReason::Closing => ErrorCode::ShuttingDown,
            _ => ErrorCode::SessionRestarted,
        }
    }

    /// The reason in a few words, for the log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            KillReason::CallUnresponsive => "it was killed to stop a call",
            KillReason::WorkerStuck => "it was killed, since it started no calls",
            KillReason::BrokeLink => "it was killed, since it broke the rules of its link to the host",
            KillReason::NoMemory => "it was killed, since the host had no memory for its answer",
            KillReason::Closing => "the session was closed",
            KillReason::Restarting => "the session was restarted",
            KillReason::LimitExceeded(_) => "it passed a limit",
        }
    }
}

/// A new call of a session that is closing, or closed.
pub(crate) fn closing_error() -> Problem {
    Problem::new(ErrorCode::ShuttingDown, "the session is closing and takes no more calls")
}

/// A session that was idle for as long as it may.
pub(crate) fn expired_error(id: &str, idle: Duration) -> Problem {
    let detail = format!(
        "session '{id}' expired: it ended after {idle:?} without a call, the longest that it may be idle ('idleTimeoutMs'); \
         make another one"
    );
    Problem::new(ErrorCode::SessionExpired, detail)
}

/// A call that was stopped.
pub(crate) fn cancelled_error(why: ErrorCode, outcome: Outcome) -> Problem {
    if matches!(why, ErrorCode::ShuttingDown | ErrorCode::SessionRestarted) {
        return ended_error(why, outcome);
    }
    let what = match why {
        ErrorCode::DeadlineExceeded => "the call's deadline passed",
        ErrorCode::CpuTimeExceeded => "the call used up its processor time",
        ErrorCode::MemoryExceeded => "the call took more memory than it, or its session, may",
        ErrorCode::TooManyProcesses => "the session's processes passed their limit in this call",
        _ => "the call was cancelled",
    };
    let became = match outcome {
        Outcome::NotStarted => "before it had started; nothing of it ran",
        Outcome::StateKept => "and it was interrupted; the session keeps its state",
        Outcome::Finished => {
            "and it was interrupted, which its code caught: it went on to its end, and has what it then gave"
        }
        Outcome::StateLost => {
            return with_outcome(Problem::new(why, format!("{what} and it {KILLED}{EMPTY_NOW}")), outcome);
        }
    };
    with_outcome(Problem::new(why, format!("{what} {became}")), outcome)
}

/// A call that was stopped with its session. What became of the session the code says.
fn ended_error(why: ErrorCode, outcome: Outcome) -> Problem {
    let what = if why == ErrorCode::ShuttingDown { "closed" } else { "restarted on request" };
    let became = match outcome {
        Outcome::NotStarted => "before this call had started; nothing of it ran",
        Outcome::StateKept => "and this call was interrupted",
        Outcome::Finished => {
            "and this call was interrupted, which its code caught: it went on to its end, and has what it then gave"
        }
        Outcome::StateLost => "and this call did not stop when interrupted, so its worker was killed",
    };
    let problem = with_outcome(Problem::new(why, format!("the session was {what}, {became}")), outcome);
    let outcome = Some(outcome).filter(|outcome| matches!(outcome, Outcome::NotStarted | Outcome::Finished));
    Problem { outcome, ..problem }
}

/// What is added for a call that took too much memory and stopped, and left a session that still has too much.
pub(crate) fn kept_for_now(detail: &str, held: u64, limit: u64, time: Duration) -> String {
    let megabytes = |bytes| bytes as f64 / f64::from(1 << 20);
    let (held, limit) = (megabytes(held), megabytes(limit));
    format!(
        "{detail} for now, but it holds {held:.1} MiB, more than the {limit:.1} MiB that it may; unless that is freed within \
         {time:?}, its worker is replaced, and the call after that is told so"
    )
}

/// What is told of a call that caught its interrupt and went on to its end: why it was to stop, where the interrupt reached it, and its
/// result.
pub(crate) fn late_result(why: ErrorCode, result: CallResult, at: Vec<Frame>) -> CallResult {
    let mut problem = Problem { traceback: at, ..cancelled_error(why, Outcome::Finished) };
    match result {
        CallResult::Value(value) => {
            let value = serde_json::from_slice(&value.contiguous()).unwrap_or_default();
            problem.answer.insert("value".to_owned(), value);
        }
        CallResult::Handle(object) | CallResult::Object(object) => {
            problem.answer = serde_json::from_slice(&object.contiguous()).unwrap_or_default();
        }
        CallResult::Exception(object) => {
            #[derive(Deserialize)]
            struct Raised {
                exception: PythonException,
            }
            problem.exception =
                serde_json::from_slice::<Raised>(&object.contiguous()).ok().map(|raised| Box::new(raised.exception));
        }
        // It ran, and its result has no form that was asked for.
        CallResult::Problem(problem) if problem.ran => {}
        CallResult::Problem(problem) => return CallResult::Problem(problem),
        CallResult::Floats(_) | CallResult::FloatRows(_) | CallResult::Datum(_) => {}
    }
    problem.into()
}

fn with_outcome(mut problem: Problem, outcome: Outcome) -> Problem {
    problem.started = Some(outcome != Outcome::NotStarted);
    problem.outcome = Some(outcome);
    problem
}

/// A call whose session lost its worker.
pub(crate) fn worker_lost_error(death: &WorkerDeath, started: bool, kill_reason: Option<KillReason>) -> Problem {
    let ran = if started { "this call had started and may have had effects" } else { "this call had not started" };
    let (code, why) = match kill_reason {
        Some(KillReason::CallUnresponsive) => {
            (ErrorCode::SessionRestarted, "the session's worker was killed to stop another call".to_owned())
        }
        Some(KillReason::WorkerStuck) => {
            let why = "the session's worker was killed, since a background thread or task kept it from starting calls";
            (ErrorCode::SessionRestarted, why.to_owned())
        }
        Some(KillReason::Restarting) => {
            (ErrorCode::SessionRestarted, "the session was restarted on request".to_owned())
        }
        Some(KillReason::LimitExceeded(code)) => (
            ErrorCode::SessionRestarted,
            format!("the session's worker was killed, for the session was beyond its limit while no call ran ({code})"),
        ),
        Some(KillReason::BrokeLink) => {
            let why = "the session's worker was killed, since it broke the rules of its link to the host: code must not write to \
                descriptors that it has not opened; its last words on standard error say which";
            (ErrorCode::WorkerDied, why.to_owned())
        }
        Some(KillReason::NoMemory) => {
            let why = "the session's worker was killed, since the host has no memory for an answer of this size now: the unfinished \
                answers of all sessions take as much as they may";
            (ErrorCode::SessionRestarted, why.to_owned())
        }
        Some(KillReason::Closing) => {
            (ErrorCode::ShuttingDown, "the session was closed and its worker ended".to_owned())
        }
        None => {
            let hint = match death.exit_code {
                Some(LINK_BROKEN) => {
                    ", since its link to the host broke: code must not close descriptors that it has not opened"
                }
                Some(LOOP_BROKEN) => ", since its own loop failed; its last words on standard error say how",
                _ => "",
            };
            (ErrorCode::WorkerDied, format!("the session's {death}{hint}"))
        }
    };
    let restarted = if kill_reason == Some(KillReason::Closing) { "" } else { RESTARTED };
    let mut problem = Problem::new(code, format!("{why}; {ran}{restarted}"));
    problem.started = Some(started);
    problem.death = Some(Box::new(death.clone()));
    problem
}
