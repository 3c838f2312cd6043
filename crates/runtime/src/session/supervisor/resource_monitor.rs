//! Watching what a session uses, and stopping the call, or the worker, that exceeds a limit.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use beep_python_protocol::ErrorCode;
use tokio::time::{Instant, sleep, timeout};

use crate::session::call::CallId;
use crate::session::interrupt::{interrupt_then_kill, look_then_kill};
use crate::session::limits::SessionLimits;
use crate::session::shared::{SessionInner, running};
use crate::session::state::events::RunningCall;
use crate::session::state::untold::TooLarge;
use crate::session::supervisor::left_processes::{Count, LeftProcesses};
use crate::session::supervisor::sampling_pace::{FASTEST, SamplingPace};
use crate::session::supervisor::stopping::{Step, Stopping};
use crate::worker::process_table::ProcessTable;
use crate::worker::resource_usage::{MemoryQuestion, ResourceUsage, Sampler};
use crate::worker::rlimits::{limit_data, limit_open_files, limit_tasks};

/// The shortest time between two samples, however fast calls come.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// The least time that a session has to free what a stopped call left, its processes too, which may have to clean up.
const LEAST_TIME_TO_FREE: Duration = Duration::from_secs(1);
/// What code may take meanwhile, to free it.
const FREEING_SLACK: u64 = 16 << 20;
/// What a process may have mapped beyond the memory limit of its session. Beyond that, Python itself raises MemoryError. The
/// kernel counts files too that are mapped to be written privately, of which nothing may be in memory: hence the room.
const DATA_SLACK: u64 = 4 << 30;
/// How many tasks the user of a session with a process limit may have beyond those at its start, and how many threads each
/// process may have.
const TASKS_SLACK: u64 = 512;
const TASKS_OF_A_PROCESS: u64 = 16;

/// Sets the limits that the kernel enforces, for a worker and all that it starts.
pub(crate) async fn apply_kernel_limits(worker: i32, limits: &SessionLimits) {
    limit_open_files(worker, limits.open_files);
    if let Some(max) = limits.processes {
        let more = max.saturating_mul(TASKS_OF_A_PROCESS).saturating_add(TASKS_SLACK);
        let _ = tokio::task::spawn_blocking(move || limit_tasks(worker, more)).await;
    }
    if let Some(bytes) = limits.memory_bytes {
        limit_data(worker, bytes.saturating_add(DATA_SLACK));
    }
}

/// The call that was running when usage was sampled.
#[derive(Default)]
struct Observed {
    call: Option<CallId>,
    /// The usage at the first sample of the call: what the call before it used does not count.
    before: ResourceUsage,
    stopping: Stopping,
}

/// Watches the worker as long as it lives.
pub(crate) async fn monitor_resources(inner: &Arc<SessionInner>, mut sampler: Sampler) {
    let limits = &inner.config.limits;
    let always = limits.need_polling();
    let mut observed = Observed::default();
    let mut was_exceeded = false;
    let mut held_too_much = None;
    let mut left_processes = LeftProcesses::new(time_to_free(limits));
    let mut pace = SamplingPace::new();
    loop {
        wait_for_poll(inner, always, &mut pace).await;
        let call = running_call(inner);
        let call_before = call.map(|call| call.call_id);
        let settling = inner.read(|state, _| state.is_settling());
        let question = match settling {
            true => MemoryQuestion::Exactly,
            false => memory_question(limits, call, &observed, inner.data.bytes()),
        };
        let of_processes;
        (sampler, of_processes) = sample(sampler, question).await;
        let call = running_call(inner);
        let call_id = call.map(|call| call.call_id);
        let usage = counted(of_processes, inner.data.bytes(), call.is_some());
        pace.sampled(usage, settling || inner.read(|state, _| state.has_calls()));
        let exceeded = limits.exceeded_by(&usage);
        if settling {
            held_too_much = too_large(limits, &usage);
            inner.update(|state, _, effects| state.settle(held_too_much.map(|(large, _)| large), effects));
            continue;
        }
        let exceeded =
            exceeded.filter(|&code| code != ErrorCode::MemoryExceeded || !may_hold_too_much(held_too_much, &usage));
        let still_exceeded = was_exceeded && exceeded.is_some();
        was_exceeded = exceeded.is_some();
        if call_id != call_before && !still_exceeded {
            // The sample may be of the call before, which has ended and may have given everything back.
            inner.poll_requested.notify_one();
            continue;
        }
        if call_id != observed.call {
            observed = Observed { call: call_id, before: usage, stopping: Stopping::No };
        }
        let too_many = exceeded == Some(ErrorCode::TooManyProcesses);
        let count = Count { processes: usage.processes, too_many, call: call_id };
        let is_tolerated = left_processes.tolerate(count, Instant::now().into_std());
        let exceeded = match too_many && is_tolerated {
            true => limits.memory_exceeded_by(&usage).filter(|_| !may_hold_too_much(held_too_much, &usage)),
            false => exceeded,
        };
        match (call, exceeded) {
            (None, Some(code)) => inner.update(|state, _, effects| state.kill_over_limit(code, effects)),
            (None, None) => {}
            (Some(call), _) => {
                let exceeded = exceeded.or_else(|| call.limits.exceeded_by(&usage, &observed.before));
                let Some(code) = exceeded else { continue };
                match observed.stopping.exceeds(code, &usage, Instant::now().into_std()) {
                    Some(Step::Interrupt) => stop_call(inner, call, code),
                    Some(Step::Kill) => kill_call(inner, call),
                    None => {}
                }
            }
        }
    }
}

fn time_to_free(limits: &SessionLimits) -> Duration {
    limits.grace.max(LEAST_TIME_TO_FREE)
}

/// How much a session has, though the call that took it was stopped, and until when it may.
type HeldTooMuch = Option<(TooLarge, Instant)>;

fn too_large(limits: &SessionLimits, usage: &ResourceUsage) -> HeldTooMuch {
    let limit = limits.memory_bytes.filter(|&limit| usage.memory_bytes > limit)?;
    let large = TooLarge { held: usage.memory_bytes, limit, time: time_to_free(limits) };
    Some((large, Instant::now() + large.time))
}

/// Whether the session still has the time to free what it holds, and has not taken more.
fn may_hold_too_much(held: HeldTooMuch, usage: &ResourceUsage) -> bool {
    held.is_some_and(|(large, until)| Instant::now() < until && usage.memory_bytes <= large.held + FREEING_SLACK)
}

/// Returns when the next sample is due.
async fn wait_for_poll(inner: &SessionInner, always: bool, pace: &mut SamplingPace) {
    if !always && !inner.read(|state, _| state.needs_polling()) {
        return inner.poll_requested.notified().await;
    }
    if pace.is_slow() {
        inner.awaits_call.store(true, Ordering::SeqCst);
        // One that came before that has told nobody.
        if !inner.read(|state, _| state.has_calls()) {
            let _ = timeout(pace.pause(), inner.poll_requested.notified()).await;
        }
        inner.awaits_call.store(false, Ordering::SeqCst);
        if inner.read(|state, _| state.has_calls()) {
            pace.wake();
        }
    }
    sleep(MIN_POLL_INTERVAL).await;
    if !pace.is_slow() {
        // At once where a call with limits of its own comes: unless it waits in the queue, it begins now.
        let _ = timeout(FASTEST - MIN_POLL_INTERVAL, inner.poll_requested.notified()).await;
    }
}

/// What the worker and its descendants use.
async fn sample(mut sampler: Sampler, question: MemoryQuestion) -> (Sampler, ResourceUsage) {
    let table = ProcessTable::look().await;
    let sampled = tokio::task::spawn_blocking(move || {
        let usage = sampler.sample(&table, question);
        (sampler, usage)
    });
    match sampled.await {
        Ok(sampled) => sampled,
        Err(_) => std::future::pending().await, // the runtime is shutting down
    }
}

/// What has to be known of the memory of the session's processes: `data` is what this host has beside that.
fn memory_question(
    limits: &SessionLimits,
    call: Option<RunningCall>,
    observed: &Observed,
    data: u64,
) -> MemoryQuestion {
    let growth = call.and_then(|call| call.limits.memory_growth);
    let most = match growth {
        Some(_) if call.map(|call| call.call_id) != observed.call => return MemoryQuestion::HowMuch,
        Some(growth) => Some(observed.before.memory_bytes.saturating_add(growth)),
        None => None,
    };
    let most = most.into_iter().chain(limits.memory_bytes).min();
    most.map_or(MemoryQuestion::Unlimited, |most| MemoryQuestion::IsAbove(most.saturating_sub(data)))
}

/// With what this host holds of the session's data. While no call runs, data that wait for a slow reader count against the
/// limits of data alone: they end no session.
fn counted(of_processes: ResourceUsage, data: u64, is_running: bool) -> ResourceUsage {
    let data = if is_running { data } else { 0 };
    ResourceUsage { memory_bytes: of_processes.memory_bytes + data, ..of_processes }
}

fn running_call(inner: &SessionInner) -> Option<RunningCall> {
    inner.read(|state, link| state.running_call(running(link)))
}

fn stop_call(inner: &Arc<SessionInner>, call: RunningCall, code: ErrorCode) {
    let inner = inner.clone();
    tokio::spawn(async move { interrupt_then_kill(&inner, call.call_id, code, call.grace).await });
}

fn kill_call(inner: &Arc<SessionInner>, call: RunningCall) {
    let inner = inner.clone();
    tokio::spawn(async move { look_then_kill(&inner, call.call_id).await });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_for_a_slow_reader_end_no_idle_session() {
        let usage = ResourceUsage { memory_bytes: 70, ..ResourceUsage::default() };
        let limits = SessionLimits { memory_bytes: Some(100), ..SessionLimits::default() };
        assert_eq!(limits.exceeded_by(&counted(usage, 40, true)), Some(ErrorCode::MemoryExceeded));
        assert_eq!(limits.exceeded_by(&counted(usage, 40, false)), None);
    }
}
