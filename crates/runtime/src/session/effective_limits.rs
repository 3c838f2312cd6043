//! What one call may take: what its session may, or less where it says so itself.

use std::time::Duration;

use beep_python_protocol::{CallLimits, ErrorCode};
use serde::Serialize;

use crate::session::call::Request;
use crate::session::limits::SessionLimits;
use crate::worker::resource_usage::ResourceUsage;

/// What a call may take, as this host sees to it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EffectiveLimits {
    /// Bytes of standard output, and of standard error.
    pub(crate) output: usize,
    /// Bytes of the result.
    pub(crate) result: Option<u64>,
    cpu: Option<Duration>,
    memory_growth: Option<u64>,
}

impl EffectiveLimits {
    /// Those of a session's calls.
    pub(crate) fn of(limits: &SessionLimits) -> EffectiveLimits {
        let SessionLimits { output_cap_bytes: output, result_bytes: result, cpu, .. } = *limits;
        EffectiveLimits { output, result, cpu, memory_growth: None }
    }

    /// The same, or less where the call says so.
    pub(crate) fn but(self, asked: Option<&CallLimits>) -> EffectiveLimits {
        let Some(asked) = asked else { return self };
        let output = asked.output_bytes.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        EffectiveLimits {
            output: self.output.min(output),
            result: smaller(self.result, asked.result_bytes),
            cpu: smaller(self.cpu, asked.cpu_ms.map(Duration::from_millis)),
            memory_growth: smaller(self.memory_growth, asked.memory_growth_bytes),
        }
    }

    /// Which of them is passed, where one is that only a look from outside can tell: now, and before the call began.
    pub(crate) fn passed(&self, now: &ResourceUsage, before: &ResourceUsage) -> Option<ErrorCode> {
        if self.memory_growth.is_some_and(|most| now.memory_bytes.saturating_sub(before.memory_bytes) > most) {
            return Some(ErrorCode::MemoryExceeded);
        }
        self.cpu.is_some_and(|most| now.cpu.saturating_sub(before.cpu) > most).then_some(ErrorCode::CpuTimeExceeded)
    }
}

/// Whether the call has limits that only a look from outside can tell to be passed.
pub(crate) fn is_looked_at(request: &Request) -> bool {
    request.limits.as_ref().is_some_and(|limits| limits.cpu_ms.or(limits.memory_growth_bytes).is_some())
}

/// What the worker sees to: the body of the frame before a request, or of the first of all frames.
#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handles: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lease_ms: Option<u64>,
}

impl RequestLimits {
    /// Those of a request.
    pub(crate) fn of(request: &Request) -> RequestLimits {
        let limits = request.limits.as_deref();
        RequestLimits {
            handles: limits.and_then(|limits| limits.handles),
            result_bytes: limits.and_then(|limits| limits.result_bytes),
            lease_ms: request.lease.map(|lease| u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// As the worker reads them; nothing where there are none.
    pub(crate) fn written(&self) -> Option<Vec<u8>> {
        if *self == RequestLimits::default() {
            return None;
        }
        serde_json::to_vec(self).ok()
    }
}

fn smaller<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_limits_the_smaller_holds() {
        let limits = SessionLimits { result_bytes: Some(100), output_cap_bytes: 50, ..SessionLimits::default() };
        let session = EffectiveLimits::of(&limits);
        let asked = |result, output, cpu| CallLimits {
            result_bytes: Some(result),
            output_bytes: Some(output),
            cpu_ms: Some(cpu),
            ..CallLimits::default()
        };
        let caps = session.but(Some(&asked(1000, 1000, 5)));
        assert_eq!((caps.result, caps.output, caps.cpu), (Some(100), 50, Some(Duration::from_millis(5))));
        let caps = session.but(Some(&asked(10, 20, 5)));
        assert_eq!((caps.result, caps.output), (Some(10), 20));
        assert_eq!(session.but(None).result, Some(100));
    }
}
