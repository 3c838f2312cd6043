//! Cancelling calls by the ids that their clients gave them.
//!
//! There is no table of ids: a cancel is rare, so it searches the sessions, and a plain call pays nothing for it.

use std::time::Duration;

use beep_python_protocol::ErrorCode;
use beep_python_protocol::message::CancelOutcome;

use crate::session::call::RequestId;
use crate::session::event_stream::cancel_paused;
use crate::session::interrupt::interrupt_then_kill;
use crate::session::session::Session;
use crate::session::state::call_record::CancelTarget;

/// Cancels the calls of this id in these sessions, and returns when they have ended, with the worst outcome of them.
pub(crate) async fn cancel(sessions: Vec<Session>, request_id: &RequestId, grace: Option<Duration>) -> CancelOutcome {
    let mut outcomes = Vec::new();
    let mut worst = CancelOutcome::NotFound;
    for session in sessions {
        if cancel_paused(&session, request_id) {
            worst = CancelOutcome::StateKept;
        }
        let Session { inner } = session;
        let targets = inner.update(|state, _, _| state.subscribe_cancellation(request_id));
        for CancelTarget { call_id, grace: own, outcome } in targets {
            let (inner, grace) = (inner.clone(), grace.unwrap_or(own));
            // On a task of its own: the client that cancels may go away, and the call must still be stopped.
            tokio::spawn(async move { interrupt_then_kill(&inner, call_id, ErrorCode::Cancelled, grace).await });
            outcomes.push(outcome);
        }
    }
    for outcome in outcomes {
        worst = worst.max(outcome.await.unwrap_or(CancelOutcome::Finished));
    }
    worst
}
