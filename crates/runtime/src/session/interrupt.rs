//! The escalation that stops a call: interrupt, half the grace, interrupt, the rest of the grace, kill.
//!
//! An interrupt reaches the worker, and the other processes of its process group.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{ErrorCode, Frame};
use tokio::runtime::Handle;
use tokio::time::{sleep, sleep_until, timeout_at};

use crate::session::call::CallId;
use crate::session::held_time::HeldTime;
use crate::session::shared::{Link, SessionInner, cancel_slot, has_started};
use crate::session::state::calls::StopResult;
use crate::session::state::effect::Effects;
use crate::session::state::state::SessionState;
use crate::worker::stack_dump::main_stack;

/// How long an interrupted call may wait for the last words of the processes that were interrupted with it: as long as Python's
/// `subprocess` waits for them.
const LAST_WORDS_TIME: Duration = Duration::from_millis(250);

/// How long before its end a worker may take to say where it is.
const LAST_LOOK_TIME: Duration = Duration::from_millis(200);

/// Stops the call once `time` is over, beside the time in which a debugger holds it. The task is aborted when the call gets its response.
pub(crate) async fn deadline_watchdog(
    inner: Arc<SessionInner>,
    call_id: CallId,
    time: Duration,
    held: Arc<HeldTime>,
    grace: Duration,
) {
    held.sleep(time).await;
    interrupt_then_kill(&inner, call_id, ErrorCode::DeadlineExceeded, grace).await;
}

/// Stops the call now. Each step is taken only while the call has no response.
///
/// A call may have to stop for two reasons at once: a client of gRPC cancels it when its deadline passes, which the host notices too.
/// The first interrupt is then only one, so that no second one strikes the code that cleans up.
pub(crate) async fn interrupt_then_kill(inner: &SessionInner, call_id: CallId, why: ErrorCode, grace: Duration) {
    let interrupts = if grace.is_zero() { 0 } else { 2 };
    let (began, mut at) = (Instant::now(), Vec::new());
    for step in 0..=interrupts {
        let interrupt = step < interrupts;
        tracing::debug!(session = inner.id, call = call_id.0, step, interrupt, %why, "stopping a call");
        let last_words = LAST_WORDS_TIME.min(grace / 4);
        match stop(inner, call_id, why, interrupt.then_some(last_words), step == 0) {
            StopResult::Answered => return,
            StopResult::NotStarted => {
                // Aborted once the worker passes the call by, unless something keeps the worker from that.
                sleep(grace).await;
                return inner.update(|state, link, effects| {
                    // One that is stopped goes on with its state when who stopped it lets it.
                    if link.is_some_and(|link| link.worker.is_stopped()) {
                        return;
                    }
                    state.kill_if_stuck(call_id, |slot| has_started(link, slot), effects);
                });
            }
            StopResult::Running if step + 1 < interrupts => sleep(grace / 2).await,
            StopResult::Running if interrupt => at = last_look(inner, grace / 2).await,
            StopResult::Running => break,
        }
    }
    let waited = began.elapsed();
    tracing::info!(session = inner.id, call = call_id.0, %why, ?waited, "a call did not stop: its worker is killed");
    inner.update(|state, _, effects| state.kill_for_call(call_id, at, effects));
}

/// Kills the worker of a call that was interrupted, and that must not take the rest of its grace.
pub(crate) async fn look_then_kill(inner: &SessionInner, call_id: CallId) {
    tracing::info!(session = inner.id, call = call_id.0, "a call that exceeds a limit goes on: its worker is killed");
    let at = look(inner, tokio::time::Instant::now() + LAST_LOOK_TIME).await;
    inner.update(|state, _, effects| state.kill_for_call(call_id, at, effects));
}

/// Keeps the call from starting; one that runs goes on until it is interrupted.
pub(crate) fn keep_from_starting(inner: &SessionInner, call_id: CallId, why: ErrorCode) {
    stop(inner, call_id, why, None, true);
}

/// Waits for so long, and looks where the worker is before the time is over.
async fn last_look(inner: &SessionInner, time: Duration) -> Vec<Frame> {
    let end = tokio::time::Instant::now() + time;
    sleep_until(end - LAST_LOOK_TIME.min(time / 2)).await;
    let at = look(inner, end).await;
    sleep_until(end).await;
    at
}

/// Where the worker is, if it says so by then.
async fn look(inner: &SessionInner, end: tokio::time::Instant) -> Vec<Frame> {
    let look = async {
        let _turn = inner.inspecting.lock().await;
        let link = inner.read(|_, link| link.cloned())?;
        Some(main_stack(&link.worker, &link.page).await)
    };
    timeout_at(end, look).await.ok().flatten().unwrap_or_default()
}

/// Keeps the call from starting. One that runs is interrupted, if it is to have some time for last words.
fn stop(inner: &SessionInner, call_id: CallId, why: ErrorCode, interrupt: Option<Duration>, first: bool) -> StopResult {
    inner.update(|state, link, effects| {
        let interrupt = interrupt.filter(|_| !(first && state.is_interrupted(call_id)));
        let mark_cancelled = |slot| {
            if let (Some(link), Some(last_words)) = (link, interrupt) {
                link.page.set_time_for_last_words(last_words);
            }
            cancel_slot(link, slot)
        };
        state.stop(call_id, why, interrupt.is_some(), mark_cancelled, effects)
    })
}

/// Interrupts the call once, as Ctrl-C does: no grace begins, and the call goes on if its code catches it.
pub(crate) fn press_ctrl_c(
    state: &mut SessionState,
    link: Option<&Link>,
    call_id: CallId,
    effects: &mut Effects,
) -> CancelOutcome {
    let press = |slot| {
        let started = has_started(link, slot);
        if started {
            link.iter().for_each(|link| {
                link.page.set_time_for_last_words(LAST_WORDS_TIME);
                link.page.press_ctrl_c(slot);
            });
        }
        started
    };
    state.press_ctrl_c(call_id, press, |slot| cancel_slot(link, slot), effects)
}

/// Cancels a call when it is dropped: its caller has stopped waiting.
pub(crate) struct CancelOnDrop<'a> {
    call: Option<(Arc<SessionInner>, CallId, Duration)>,
    /// Says whether the caller asked for that; where there is none, it did beforehand.
    cancelled: Option<&'a AtomicBool>,
}

impl<'a> CancelOnDrop<'a> {
    pub(crate) fn new(
        inner: Arc<SessionInner>,
        call_id: CallId,
        grace: Duration,
        cancelled: Option<&'a AtomicBool>,
    ) -> CancelOnDrop<'a> {
        CancelOnDrop { call: Some((inner, call_id, grace)), cancelled }
    }

    /// The call has its response.
    pub(crate) fn disarm(mut self) {
        self.call = None;
    }
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.cancelled.is_some_and(|cancelled| !cancelled.load(Ordering::Relaxed)) {
            return;
        }
        let (Some((inner, call_id, grace)), Ok(runtime)) = (self.call.take(), Handle::try_current()) else { return };
        runtime.spawn(async move { interrupt_then_kill(&inner, call_id, ErrorCode::Cancelled, grace).await });
    }
}
