//! How a call is stopped: interrupt, half the grace, interrupt, the rest, kill.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::ErrorCode;
use tokio::time::sleep;

use crate::session::session::SessionInner;
use crate::session::state::state::StopResult;

/// Stops the call when its time is over. Ended from outside when the call gets its answer.
pub(crate) async fn end_after(shared: Arc<SessionInner>, call_id: u64, time: Duration, grace: Duration) {
    sleep(time).await;
    climb(&shared, call_id, ErrorCode::DeadlineExceeded, grace).await;
}

/// Stops the call now. Each step is taken only while the call has no answer.
pub(crate) async fn climb(shared: &SessionInner, call_id: u64, why: ErrorCode, grace: Duration) {
    let interrupts = if grace.is_zero() { 0 } else { 2 };
    for step in 0..=interrupts {
        let stopped = shared.queue().stop(call_id, why);
        match stopped {
            StopResult::Answered => return,
            StopResult::NotStarted => {
                // Ended from outside as soon as the worker passes the call by, unless something keeps it from that.
                sleep(grace).await;
                return shared.queue().kill_if_stuck(call_id);
            }
            StopResult::Running if step == interrupts => break,
            StopResult::Running => shared.queue().interrupt(),
        }
        sleep(grace / 2).await;
    }
    shared.queue().kill(call_id);
}
