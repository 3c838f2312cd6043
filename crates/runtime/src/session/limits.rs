//! What a session's calls may take, and who sees to it.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Limits};
use tokio::time::sleep;

use super::ladder::climb;
use super::session::Shared;
use super::unanswered::Killed;
use crate::worker::{Usage, limit_data, usage};

/// How often a session that has limits is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How much longer than told a call that eats memory may take to stop: it goes on eating.
const MEMORY_GRACE: Duration = Duration::from_millis(500);
/// What a process may have mapped beyond the memory of its session: Python then raises MemoryError by itself.
const DATA_SLACK: u64 = 128 << 20;

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
    /// How many bytes a result may have.
    pub result_bytes: Option<u64>,
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
            waiting: given.waiting.map_or(self.waiting, size),
        }
    }

    /// Which of them is passed, where one is that only a look from outside can tell.
    fn passed(&self, usage: &Usage, cpu_of_call: Duration) -> Option<ErrorCode> {
        if self.processes.is_some_and(|most| usage.processes > most) {
            return Some(ErrorCode::TooManyProcesses);
        }
        if self.memory_bytes.is_some_and(|most| usage.memory_bytes > most) {
            return Some(ErrorCode::MemoryExceeded);
        }
        self.cpu.is_some_and(|most| cpu_of_call > most).then_some(ErrorCode::CpuTimeExceeded)
    }
}

/// Looks after the worker as long as it lives; stops the call, or ends the worker, that passes a limit.
pub(super) async fn watch(shared: &Arc<Shared>, worker: i32) {
    let limits = &shared.config.limits;
    if let Some(bytes) = limits.memory_bytes {
        limit_data(worker, bytes.saturating_add(DATA_SLACK));
    }
    if limits.cpu.is_none() && limits.memory_bytes.is_none() && limits.processes.is_none() {
        return std::future::pending().await;
    }
    let mut before = Usage::default();
    // The call that was seen running last, what had been used when it began, and whether it was told to stop.
    let mut seen = (0, Duration::ZERO, false);
    loop {
        sleep(LOOK_EVERY).await;
        let Ok(used) = tokio::task::spawn_blocking(move || usage(worker)).await else { continue };
        let running = shared.queue().running();
        let ticket = running.map_or(0, |(ticket, _)| ticket);
        if ticket != seen.0 {
            seen = (ticket, before.cpu, false);
        }
        before = used;
        let spent = if running.is_some() { used.cpu.saturating_sub(seen.1) } else { Duration::ZERO };
        let Some(code) = limits.passed(&used, spent) else { continue };
        match running {
            Some((ticket, grace)) if !seen.2 => {
                seen.2 = true;
                let grace = match code {
                    ErrorCode::TooManyProcesses => Duration::ZERO, // those that it started take no notice of a signal
                    ErrorCode::MemoryExceeded => grace.min(MEMORY_GRACE),
                    _ => grace,
                };
                let shared = shared.clone();
                tokio::spawn(async move { climb(&shared, ticket, code, grace).await });
            }
            Some(_) => {}
            None if code == ErrorCode::CpuTimeExceeded => {}
            None => shared.queue().kill_worker(Killed::Limit(code)),
        }
    }
}
