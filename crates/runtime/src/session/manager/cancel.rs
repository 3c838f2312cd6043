//! Cancelling calls by the names that their clients gave them.
//!
//! There is no list of names: a cancel is rare, so it looks through the queues, and a plain call pays nothing for it.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{ErrorCode, Outcome};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::session::call::{CallResult, RequestId};
use crate::session::event_stream::cancel_resting;
use crate::session::interrupt::climb;
use crate::session::session::{Session, SessionInner};

/// A call that is to be cancelled.
pub(crate) struct Found {
    pub(crate) call_id: u64,
    /// Its own grace.
    pub(crate) grace: Duration,
    /// What became of it, once it has ended.
    pub(crate) ended: oneshot::Receiver<CancelOutcome>,
}

/// Cancels the calls of this name in these sessions, and returns when they have ended.
pub(crate) async fn cancel(sessions: Vec<Session>, name: &RequestId, grace: Option<Duration>) -> CancelOutcome {
    let mut under_way = Vec::new();
    let mut worst = CancelOutcome::NotFound;
    for session in sessions {
        if cancel_resting(&session, name) {
            worst = CancelOutcome::StateKept;
        }
        let Session { shared } = session;
        let found = shared.queue().watch(name);
        for Found { call_id, grace: own, ended } in found {
            let (shared, grace) = (shared.clone(), grace.unwrap_or(own));
            // On a task of its own: whoever cancels may go away, and the ladder must still be climbed.
            tokio::spawn(async move { climb(&shared, call_id, ErrorCode::Cancelled, grace).await });
            under_way.push(ended);
        }
    }
    for ended in under_way {
        worst = worst.max(ended.await.unwrap_or(CancelOutcome::Finished));
    }
    worst
}

/// What an answer says of a call that was to be stopped.
pub(crate) fn outcome_of(answer: &CallResult) -> CancelOutcome {
    let CallResult::Problem(problem) = answer else { return CancelOutcome::Finished };
    match problem.outcome {
        Some(Outcome::NotStarted) => CancelOutcome::NotStarted,
        Some(Outcome::StateKept) => CancelOutcome::StateKept,
        Some(Outcome::StateLost) => CancelOutcome::StateLost,
        None if problem.death.is_some() => CancelOutcome::StateLost,
        None => CancelOutcome::Finished,
    }
}

/// Cancels a call when it is dropped: nobody waits for its answer any more.
pub(crate) struct CancelOnDrop {
    call: Option<(Arc<SessionInner>, u64, Duration)>,
}

impl CancelOnDrop {
    pub(crate) fn new(shared: Arc<SessionInner>, call_id: u64, grace: Duration) -> CancelOnDrop {
        CancelOnDrop { call: Some((shared, call_id, grace)) }
    }

    /// The call has its answer: there is nothing to cancel any more.
    pub(crate) fn answered(mut self) {
        self.call = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let (Some((shared, call_id, grace)), Ok(runtime)) = (self.call.take(), Handle::try_current()) else { return };
        runtime.spawn(async move { climb(&shared, call_id, ErrorCode::Cancelled, grace).await });
    }
}
