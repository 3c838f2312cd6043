//! Limits: of a session, and of one call in it.

use std::time::Duration;

use beep_python_protocol::{CallLimits, Capabilities, ErrorCode, Limits};

use crate::session::call::Request;
use crate::worker::request_limits::RequestLimits;
use crate::worker::resource_usage::ResourceUsage;

/// The smallest limit to a session's memory: below it, the interpreter alone would exceed the limit.
pub const LEAST_MEMORY_BYTES: u64 = 32 << 20;
/// With fewer open descriptors Python cannot even import a module: a worker itself has a dozen.
pub(crate) const LEAST_OPEN_FILES: u64 = 32;

/// What the calls of a session may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// How long a call may take, its time in the queue included, unless it says so itself.
    pub deadline: Option<Duration>,
    /// How long an interrupted call may take to stop before its worker is killed.
    pub grace: Duration,
    /// The processor time that a call may take, in all threads and processes of the session.
    pub cpu: Option<Duration>,
    /// The memory that is the session's own, all its processes together.
    pub memory_bytes: Option<u64>,
    /// The number of processes of the session, its worker included.
    pub processes: Option<u64>,
    /// The number of handles that the session may hold.
    pub handles: Option<u64>,
    /// How many bytes of a call's standard output, and of its standard error, are kept.
    pub output_cap_bytes: usize,
    /// The size of a result, and of each item of a stream, in bytes.
    pub result_bytes: Option<u64>,
    /// The bytes of its data outside of Python's own memory; what `memory_bytes` leaves when not given.
    pub data_bytes: Option<u64>,
    /// The number of such data.
    pub data_count: u64,
    /// The number of open descriptors of each of its processes.
    pub open_files: u64,
    /// The number of calls that may wait for the session.
    pub waiting: usize,
}

impl Default for SessionLimits {
    fn default() -> SessionLimits {
        SessionLimits {
            deadline: None,
            // Native code takes a while to notice an interrupt, and a loaded model is expensive to lose.
            grace: Duration::from_secs(5),
            cpu: None,
            memory_bytes: None,
            processes: None,
            handles: None,
            output_cap_bytes: 1 << 20,
            result_bytes: None,
            data_bytes: None,
            data_count: 1000,
            // Code that leaks descriptors gets an OSError long before the machine runs out of them.
            open_files: 4096,
            waiting: 10_000,
        }
    }
}

impl SessionLimits {
    /// These limits, with those that are given in place of their own.
    pub fn with_overrides(&self, given: &Limits) -> SessionLimits {
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
            data_bytes: given.data_bytes.or(self.data_bytes),
            data_count: given.data_count.unwrap_or(self.data_count),
            open_files: given.open_files.unwrap_or(self.open_files),
            waiting: given.waiting.map_or(self.waiting, size),
        }
    }

    /// The bytes that its data may take.
    pub(crate) fn data_limit(&self) -> Option<u64> {
        self.data_bytes.or(self.memory_bytes)
    }

    /// What its worker enforces for every request.
    pub(crate) fn of_every_request(&self) -> RequestLimits {
        RequestLimits {
            result_bytes: self.result_bytes,
            data_bytes: self.data_limit(),
            data_count: Some(self.data_count),
            ..RequestLimits::default()
        }
    }

    /// The limit of the whole session that `usage` exceeds.
    pub(crate) fn exceeded_by(&self, usage: &ResourceUsage) -> Option<ErrorCode> {
        if self.processes.is_some_and(|max| usage.processes > max) {
            return Some(ErrorCode::TooManyProcesses);
        }
        self.memory_exceeded_by(usage)
    }

    /// The same, of memory alone.
    pub(crate) fn memory_exceeded_by(&self, usage: &ResourceUsage) -> Option<ErrorCode> {
        self.memory_bytes.is_some_and(|max| usage.memory_bytes > max).then_some(ErrorCode::MemoryExceeded)
    }

    /// Whether the session's usage has to be sampled all the time.
    pub(crate) fn need_polling(&self) -> bool {
        self.cpu.is_some() || self.memory_bytes.is_some() || self.processes.is_some()
    }
}

/// What one call may take: the session's limits, tightened by its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EffectiveLimits {
    /// Bytes of standard output, and of standard error, that are kept.
    pub(crate) output: usize,
    /// The size of the result in bytes.
    pub(crate) result: Option<u64>,
    cpu: Option<Duration>,
    /// How much the session's memory may grow.
    pub(crate) memory_growth: Option<u64>,
}

impl From<&SessionLimits> for EffectiveLimits {
    fn from(limits: &SessionLimits) -> EffectiveLimits {
        let SessionLimits { output_cap_bytes: output, result_bytes: result, cpu, .. } = *limits;
        EffectiveLimits { output, result, cpu, memory_growth: None }
    }
}

impl EffectiveLimits {
    /// These limits, or the call's own where they are smaller.
    pub(crate) fn tightened_by(self, call: Option<&CallLimits>) -> EffectiveLimits {
        let Some(call) = call else { return self };
        let output = call.output_bytes.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        EffectiveLimits {
            output: self.output.min(output),
            result: smaller(self.result, call.result_bytes),
            cpu: smaller(self.cpu, call.cpu_ms.map(Duration::from_millis)),
            memory_growth: smaller(self.memory_growth, call.memory_growth_bytes),
        }
    }

    /// The limit that the call exceeds, of those that only sampling shows: `before` is the usage when the call began.
    pub(crate) fn exceeded_by(&self, now: &ResourceUsage, before: &ResourceUsage) -> Option<ErrorCode> {
        if self.memory_growth.is_some_and(|max| now.memory_bytes.saturating_sub(before.memory_bytes) > max) {
            return Some(ErrorCode::MemoryExceeded);
        }
        self.cpu.is_some_and(|max| now.cpu.saturating_sub(before.cpu) > max).then_some(ErrorCode::CpuTimeExceeded)
    }
}

fn smaller<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Whether the request has limits that only sampling shows to be exceeded.
pub(crate) fn needs_polling(request: &Request) -> bool {
    request.limits.as_ref().is_some_and(|limits| limits.cpu_ms.or(limits.memory_growth_bytes).is_some())
}

/// What its worker heeds of a request; `None` as a rule.
pub(crate) fn request_limits(request: &Request, capabilities: Option<Capabilities>) -> Option<RequestLimits> {
    let Capabilities { log, progress, .. } = capabilities.unwrap_or_default();
    let asks = request.limits.is_some() || request.lease.is_some() || request.trace.is_some();
    if !(asks || log || progress || request.traceback_locals) {
        return None;
    }
    let (limits, trace) = (request.limits.as_deref(), request.trace.as_deref());
    Some(RequestLimits {
        handles: limits.and_then(|limits| limits.handles),
        result_bytes: limits.and_then(|limits| limits.result_bytes),
        log,
        progress,
        locals: request.traceback_locals,
        lease_ms: request.lease.map(|lease| u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)),
        traceparent: trace.map(|trace| trace.traceparent.clone()),
        tracestate: trace.and_then(|trace| trace.tracestate.clone()),
        ..RequestLimits::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> EffectiveLimits {
        let limits = SessionLimits { result_bytes: Some(100), output_cap_bytes: 50, ..SessionLimits::default() };
        EffectiveLimits::from(&limits)
    }

    #[test]
    fn smaller_of_two_limits_holds() {
        let call = |result, output| CallLimits {
            result_bytes: Some(result),
            output_bytes: Some(output),
            cpu_ms: Some(5),
            ..CallLimits::default()
        };
        let limits = session().tightened_by(Some(&call(1000, 1000)));
        assert_eq!((limits.result, limits.output, limits.cpu), (Some(100), 50, Some(Duration::from_millis(5))));
        let limits = session().tightened_by(Some(&call(10, 20)));
        assert_eq!((limits.result, limits.output), (Some(10), 20));
    }

    #[test]
    fn call_without_limits_has_those_of_its_session() {
        assert_eq!(session().tightened_by(None).result, Some(100));
    }
}
