//! Cancelling calls by the ids that their clients gave them, or because they run.
//!
//! There is no table of ids: a cancel is rare, so it searches the sessions, and a plain call pays nothing for it.

use std::time::{Duration, Instant};

use beep_python_protocol::ErrorCode;
use beep_python_protocol::message::{CancelOutcome, InterruptRequest, InterruptResponse};

use crate::session::call::RequestId;
use crate::session::event_stream::dispose;
use crate::session::interrupt::{interrupt_then_kill, press_ctrl_c};
use crate::session::session::Session;
use crate::session::shared::{cancel_slot, running};
use crate::session::state::call_record::CancelTarget;
use crate::session::state::calls::StopResult;
use crate::session::state::effect::Effect;
use crate::worker::shared_page::SLOT_OF_END;

/// Cancels the calls of this id in these sessions, ends the subscriptions of it, and returns when they have ended, with the worst outcome of them.
pub(crate) async fn cancel(sessions: Vec<Session>, request_id: &RequestId, grace: Option<Duration>) -> CancelOutcome {
    let mut outcomes = Vec::new();
    let mut worst = CancelOutcome::NotFound;
    for session in sessions {
        // In one step: else a stream could go from one of its batches to the next in between, and be missed.
        let (paused, targets) = session.inner.update(|state, _, effects| {
            if state.end_subscriptions(request_id) {
                worst = worst.max(CancelOutcome::Finished);
            }
            let paused = state.cancel_paused(Some(request_id), Instant::now(), effects);
            (paused, state.subscribe_cancellation(request_id))
        });
        for handle_id in paused {
            worst = CancelOutcome::StateKept;
            close_stream(session.clone(), handle_id);
        }
        let Session { inner } = session;
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

/// Closes the generator of a cancelled stream as soon as no other call runs.
fn close_stream(session: Session, handle_id: String) {
    tokio::spawn(async move { dispose(&session, handle_id).await });
}

/// Interrupts the calls of this id once, as Ctrl-C does.
pub(crate) fn press_ctrl_c_by_id(sessions: Vec<Session>, request_id: &RequestId) -> CancelOutcome {
    let press = |session: Session| {
        session.inner.update(|state, link, effects| {
            let calls = state.calls_named(request_id).into_iter();
            calls.map(|call_id| press_ctrl_c(state, link, call_id, effects)).max()
        })
    };
    sessions.into_iter().filter_map(press).max().unwrap_or(CancelOutcome::NotFound)
}

impl Session {
    /// Interrupts the running call, and returns when it has ended; where nothing runs, the streams that rest between two batches, or
    /// what a session waits for that ends: a thread, or a function of `atexit`. Calls behind it may be cancelled first, so that none
    /// of them starts.
    pub async fn interrupt(&self, request: InterruptRequest) -> InterruptResponse {
        let InterruptRequest { grace_ms, abort_queued, once } = request;
        let mut running_on = Vec::new();
        let (mut aborted, mut resting) = (0, Vec::new());
        let found = self.inner.update(|state, link, effects| {
            let Some(current) = state.current_call(running(link)) else {
                if let Some(link) = link.filter(|_| state.is_ending()) {
                    link.page.press_ctrl_c(SLOT_OF_END);
                    effects.push(Effect::Interrupt { since: None });
                    return Some(Err(CancelOutcome::Interrupted));
                }
                resting = state.cancel_paused(None, Instant::now(), effects);
                return None;
            };
            let behind = if abort_queued { state.calls_behind(current) } else { Vec::new() };
            aborted = behind.len() as u64;
            for (call_id, grace) in behind {
                let cancel = |slot| cancel_slot(link, slot);
                let stopped = state.stop(call_id, ErrorCode::Cancelled, false, cancel, effects);
                if stopped != StopResult::Answered {
                    running_on.push((call_id, grace));
                }
            }
            if once {
                return Some(Err(press_ctrl_c(state, link, current, effects)));
            }
            state.subscribe_current(running(link)).map(Ok)
        });
        let target = match found {
            None => {
                let outcome = if resting.is_empty() { CancelOutcome::NotFound } else { CancelOutcome::StateKept };
                resting.into_iter().for_each(|handle_id| close_stream(self.clone(), handle_id));
                return InterruptResponse { outcome, aborted };
            }
            Some(Err(outcome)) => Err(outcome),
            Some(Ok(CancelTarget { call_id, grace, outcome })) => {
                running_on.push((call_id, grace));
                Ok(outcome)
            }
        };
        // One of the others may have started meanwhile; those that have not are only watched.
        for (call_id, own) in running_on {
            let (inner, grace) = (self.inner.clone(), grace_ms.map_or(own, Duration::from_millis));
            tokio::spawn(async move { interrupt_then_kill(&inner, call_id, ErrorCode::Cancelled, grace).await });
        }
        let outcome = match target {
            Ok(outcome) => outcome.await.unwrap_or(CancelOutcome::Finished),
            Err(outcome) => outcome,
        };
        InterruptResponse { outcome, aborted }
    }
}
