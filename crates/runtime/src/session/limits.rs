//! What a session's calls may take, and who sees to it.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Limits};
use tokio::time::{sleep, timeout};

use crate::session::error::KillReason;
use crate::session::interrupt::climb;
use crate::session::session::SessionInner;
use crate::worker::resource_usage::ResourceUsage;
use crate::worker::rlimits::{limit_data, limit_open_files, limit_tasks};

/// How often a session that has limits is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often it is looked at for calls that come, at most.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How much longer than told a call that eats memory may take to stop: it goes on eating.
const MEMORY_GRACE: Duration = Duration::from_millis(500);
/// What a process may have mapped beyond the memory of its session: Python then raises MemoryError by itself.
const DATA_SLACK: u64 = 128 << 20;
/// What the user of a session with a limit to its processes may have beside it more than when it began, and how many
/// threads each of its processes.
const TASKS_SLACK: u64 = 512;
const TASKS_OF_A_PROCESS: u64 = 16;

/// What a session's calls may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// How long a call may take, waiting included, where it does not say itself.
    pub deadline: Option<Duration>,
    /// How long an interrupted call may take to stop before its worker is killed.
    pub grace: Duration,
    /// How much processor time a call may take, in all threads and processes of the session.
    pub cpu: Option<Duration>,
    /// How much memory the session may have resident, all its processes together.
    pub memory_bytes: Option<u64>,
    /// How many processes the session may have, its worker included.
    pub processes: Option<u64>,
    /// How many handles it may hold.
    pub handles: Option<u64>,
    /// How many bytes of standard output, and of standard error, are kept for each call.
    pub output_cap_bytes: usize,
    /// How many bytes a result may have, and each item of a stream.
    pub result_bytes: Option<u64>,
    /// How many descriptors each of its processes may have open.
    pub open_files: u64,
    /// How many calls may wait for the session.
    pub waiting: usize,
}

impl Default for SessionLimits {
    fn default() -> SessionLimits {
        SessionLimits {
            deadline: None,
            // A loaded model is not thrown away because one call into native code takes a while to notice.
            grace: Duration::from_secs(5),
            cpu: None,
            memory_bytes: None,
            processes: None,
            handles: None,
            output_cap_bytes: 1 << 20,
            result_bytes: None,
            // Code that leaks descriptors is told by an OSError, long before the machine runs out of them.
            open_files: 4096,
            waiting: 10_000,
        }
    }
}

impl SessionLimits {
    /// The same, but for what is given.
    pub fn but(&self, given: &Limits) -> SessionLimits {
        let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        SessionLimits {
            deadline: given.timeout_ms.map(Duration::from_millis).or(self.deadline),
            grace: given.grace_ms.map_or(self.grace, Duration::from_millis),
            cpu: given.cpu_ms.map(Duration::from_millis).or(self.cpu),
            memory_bytes: given.memory_bytes.or(self.memory_bytes),
            processes: given.processes.or(self.processes),
            handles: given.handles.or(self.handles),
            output_cap_bytes: given.output_bytes.map_or(self.output_cap_bytes, size),
            result_bytes: given.result_bytes.or(self.result_bytes),
            open_files: given.open_files.unwrap_or(self.open_files),
            waiting: given.waiting.map_or(self.waiting, size),
        }
    }

    /// Which of them is passed, where one is that concerns the whole session and only a look from outside can tell.
    fn passed(&self, usage: &ResourceUsage) -> Option<ErrorCode> {
        if self.processes.is_some_and(|most| usage.processes > most) {
            return Some(ErrorCode::TooManyProcesses);
        }
        self.memory_bytes.is_some_and(|most| usage.memory_bytes > most).then_some(ErrorCode::MemoryExceeded)
    }

    /// Whether the session is looked at all the time.
    fn are_looked_at(&self) -> bool {
        self.cpu.is_some() || self.memory_bytes.is_some() || self.processes.is_some()
    }
}

/// Sets what the kernel sees to itself, for a worker and all that it starts.
pub(crate) async fn confine(worker: i32, limits: &SessionLimits) {
    limit_open_files(worker, limits.open_files);
    if let Some(most) = limits.processes {
        let more = most.saturating_mul(TASKS_OF_A_PROCESS).saturating_add(TASKS_SLACK);
        let _ = tokio::task::spawn_blocking(move || limit_tasks(worker, more)).await;
    }
    if let Some(bytes) = limits.memory_bytes {
        limit_data(worker, bytes.saturating_add(DATA_SLACK));
    }
}

/// The least limit to a session's memory: with less its worker would be ended before it did anything.
pub const LEAST_MEMORY_BYTES: u64 = 32 << 20;

/// A call that was seen running.
#[derive(Default)]
struct Seen {
    call_id: u64,
    /// What had been used when it was seen first: what the call before it took in between is not its own.
    before: ResourceUsage,
    /// Whether it was told to stop.
    told: bool,
}

/// Looks after the worker as long as it lives; stops the call, or ends the worker, that passes a limit.
pub(crate) async fn watch(shared: &Arc<SessionInner>, worker: i32) {
    let limits = &shared.config.limits;
    let always = limits.are_looked_at();
    let look = async || tokio::task::spawn_blocking(move || ResourceUsage::sample(worker)).await.unwrap_or_default();
    let running = || {
        let running = shared.queue().running();
        (running.as_ref().map_or(0, |(call_id, ..)| *call_id), running)
    };
    let (mut seen, mut over) = (Seen::default(), false);
    loop {
        if always || shared.queue().is_looked_at() {
            sleep(LOOK_AGAIN).await;
            // At once where a call with limits of its own comes: with one that does not wait, that is when it begins.
            let _ = timeout(LOOK_EVERY - LOOK_AGAIN, shared.to_look.notified()).await;
        } else {
            shared.to_look.notified().await;
        }
        let (asked, _) = running();
        let used = look().await;
        let (call_id, running) = running();
        let passed = limits.passed(&used);
        let still_over = over && passed.is_some();
        over = passed.is_some();
        if call_id != asked && !still_over {
            // What was seen may be that of a call which is over by now, and may have been given back.
            shared.to_look.notify_one();
            continue;
        }
        if call_id != seen.call_id {
            seen = Seen { call_id, before: used, told: false };
        }
        let Some((call_id, grace, caps)) = running else {
            if let Some(code) = passed {
                shared.queue().kill_worker(KillReason::Limit(code));
            }
            continue;
        };
        let Some(code) = passed.or_else(|| caps.passed(&used, &seen.before)) else { continue };
        if !std::mem::replace(&mut seen.told, true) {
            let grace = match code {
                ErrorCode::TooManyProcesses => Duration::ZERO, // those that it started take no notice of a signal
                ErrorCode::MemoryExceeded => grace.min(MEMORY_GRACE),
                _ => grace,
            };
            let shared = shared.clone();
            tokio::spawn(async move { climb(&shared, call_id, code, grace).await });
        }
    }
}
