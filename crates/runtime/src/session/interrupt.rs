//! The escalation that stops a call: interrupt, half the grace, interrupt, the rest of the grace, kill.

use std::sync::Arc;
use std::time::{Duration, Instant};

use beep_python_protocol::ErrorCode;
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::session::shared::{SessionInner, has_started};
use crate::session::state::call_record::CallId;
use crate::session::state::calls::StopResult;

/// Stops the call once `time` is over. The task is aborted when the call gets its response.
pub(crate) async fn deadline_watchdog(inner: Arc<SessionInner>, call_id: CallId, time: Duration, grace: Duration) {
    sleep(time).await;
    interrupt_then_kill(&inner, call_id, ErrorCode::DeadlineExceeded, grace).await;
}

/// Stops the call now. Each step is taken only while the call has no response.
pub(crate) async fn interrupt_then_kill(inner: &SessionInner, call_id: CallId, why: ErrorCode, grace: Duration) {
    let interrupts = if grace.is_zero() { 0 } else { 2 };
    let began = Instant::now();
    for step in 0..=interrupts {
        let interrupt = step < interrupts;
        tracing::debug!(session = inner.id, call = call_id.0, step, interrupt, %why, "stopping a call");
        match stop(inner, call_id, why, interrupt) {
            StopResult::Answered => return,
            StopResult::NotStarted => {
                // Aborted once the worker passes the call by, unless something keeps the worker from that.
                sleep(grace).await;
                return inner.update(|state, link, effects| {
                    state.kill_if_stuck(call_id, |slot| has_started(link, slot), effects);
                });
            }
            StopResult::Running if interrupt => sleep(grace / 2).await,
            StopResult::Running => break,
        }
    }
    let waited = began.elapsed();
    tracing::info!(session = inner.id, call = call_id.0, %why, ?waited, "a call did not stop: its worker is killed");
    inner.update(|state, _, effects| state.kill_for_call(call_id, effects));
}

fn stop(inner: &SessionInner, call_id: CallId, why: ErrorCode, interrupt: bool) -> StopResult {
    inner.update(|state, link, effects| {
        let mark_cancelled = |slot| {
            // In this order, and the worker does it the other way round: it marks the start, then looks for the cancel.
            link.iter().for_each(|link| link.page.cancel(slot));
            has_started(link, slot)
        };
        state.stop(call_id, why, interrupt, mark_cancelled, effects)
    })
}

/// Cancels a call when it is dropped: its caller has stopped waiting.
pub(crate) struct CancelOnDrop {
    call: Option<(Arc<SessionInner>, CallId, Duration)>,
}

impl CancelOnDrop {
    pub(crate) fn new(inner: Arc<SessionInner>, call_id: CallId, grace: Duration) -> CancelOnDrop {
        CancelOnDrop { call: Some((inner, call_id, grace)) }
    }

    /// The call has its response.
    pub(crate) fn disarm(mut self) {
        self.call = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let (Some((inner, call_id, grace)), Ok(runtime)) = (self.call.take(), Handle::try_current()) else { return };
        runtime.spawn(async move { interrupt_then_kill(&inner, call_id, ErrorCode::Cancelled, grace).await });
    }
}
