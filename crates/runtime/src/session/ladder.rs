//! How a call is stopped: interrupt, half the grace, interrupt, the rest, kill.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::ErrorCode;
use tokio::time::sleep;

use super::queue::Stopped;
use super::session::Shared;

/// Stops the call when its time is over. Ended from outside when the call gets its answer.
pub(super) async fn end_after(shared: Arc<Shared>, ticket: u64, time: Duration, grace: Duration) {
    sleep(time).await;
    climb(&shared, ticket, ErrorCode::DeadlineExceeded, grace).await;
}

/// Stops the call now. Each step is taken only while the call has no answer.
pub(super) async fn climb(shared: &Shared, ticket: u64, why: ErrorCode, grace: Duration) {
    let interrupts = if grace.is_zero() { 0 } else { 2 };
    for step in 0..=interrupts {
        let stopped = shared.queue().stop(ticket, why);
        match stopped {
            Stopped::Answered => return,
            Stopped::NotStarted => {
                // Ended from outside as soon as the worker passes the call by, unless something keeps it from that.
                sleep(grace).await;
                return shared.queue().kill_if_stuck(ticket);
            }
            Stopped::Running if step == interrupts => break,
            Stopped::Running => shared.queue().interrupt(),
        }
        sleep(grace / 2).await;
    }
    shared.queue().kill(ticket);
}
