//! What a host counts of all its sessions, for its operators.

use std::time::Duration;

use beep_python_protocol::{DeathCause, ErrorCode, WorkerDeath};
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::session::error::KillReason;

/// The upper bounds of the classes of times, in seconds: from a call that does nothing to one that computes for minutes.
pub const TIMES: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];

/// The codes of limits.
const LIMITS: [ErrorCode; 9] = [
    ErrorCode::DeadlineExceeded,
    ErrorCode::CpuTimeExceeded,
    ErrorCode::MemoryExceeded,
    ErrorCode::TooManyProcesses,
    ErrorCode::TooManyHandles,
    ErrorCode::TooManySessions,
    ErrorCode::ResultTooLarge,
    ErrorCode::TooMuchData,
    ErrorCode::QueueFull,
];

/// The cause of an end that was wanted: its session was deleted, restarted, or expired.
const ENDED: &str = "ended";
const UNKNOWN: &str = "unknown";
const CAUSES: [DeathCause; 5] =
    [DeathCause::Exit, DeathCause::Crash, DeathCause::OutOfMemory, DeathCause::Killed, DeathCause::Host];

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFormat {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text of Prometheus, 0.0.4.
    Prometheus,
}

impl MetricsFormat {
    /// Appends these metrics, without the mark of the end.
    pub fn encode(self, registry: &Registry, out: &mut String) {
        // Into memory: it cannot fail.
        let _ = match self {
            MetricsFormat::OpenMetrics => encode_registry(out, registry),
            MetricsFormat::Prometheus => prometheus_text::encode(out, registry),
        };
    }
}

/// The metrics of the sessions of one host. No label has a value that a client chooses.
#[derive(Debug)]
pub(crate) struct SessionMetrics {
    registry: Registry,
    sessions: Gauge,
    resident_bytes: Gauge,
    handles: Gauge,
    pub(crate) starts: Counter,
    queue_wait: Histogram,
    worker_exits: Family<Exit, Counter>,
    limit_hits: Family<Hit, Counter>,
}

/// What is measured when it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Levels {
    pub(crate) sessions: usize,
    pub(crate) resident_bytes: u64,
    pub(crate) handles: u64,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Exit {
    cause: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Hit {
    limit: &'static str,
}

impl Default for SessionMetrics {
    fn default() -> SessionMetrics {
        let mut registry = Registry::default();
        let (sessions, resident_bytes, handles) = (Gauge::default(), Gauge::default(), Gauge::default());
        let starts = Counter::default();
        let (worker_exits, limit_hits) = (Family::<Exit, Counter>::default(), Family::<Hit, Counter>::default());
        let queue_wait = Histogram::new(TIMES);
        // From the beginning: the first crash would be no increase otherwise.
        for cause in CAUSES.map(DeathCause::as_str).into_iter().chain([ENDED, UNKNOWN]) {
            drop(worker_exits.get_or_create(&Exit { cause }));
        }
        for limit in LIMITS {
            drop(limit_hits.get_or_create(&Hit { limit: limit.as_str() }));
        }
        registry.register("beep_sessions", "Sessions that there are", sessions.clone());
        registry.register_with_unit(
            "beep_worker_resident",
            "Resident memory of all workers, shared pages counted for each",
            Unit::Bytes,
            resident_bytes.clone(),
        );
        registry.register("beep_handles", "Objects that sessions hold for clients", handles.clone());
        registry.register("beep_session_starts", "Sessions that were begun, isolated calls among them", starts.clone());
        registry.register_with_unit(
            "beep_queue_wait",
            "How long answered calls had waited for their turn",
            Unit::Seconds,
            queue_wait.clone(),
        );
        registry.register("beep_worker_exits", "Worker processes that ended, by cause", worker_exits.clone());
        registry.register("beep_limit_hits", "Limits that were met, by limit", limit_hits.clone());
        SessionMetrics { registry, sessions, resident_bytes, handles, starts, queue_wait, worker_exits, limit_hits }
    }
}

impl SessionMetrics {
    /// A call is answered that had waited so long.
    pub(crate) fn waited(&self, time: Duration) {
        self.queue_wait.observe(time.as_secs_f64());
    }

    /// A worker has ended. `killed` says why, where the host killed it; `closing`, whether its session was to end.
    pub(crate) fn exited(&self, death: &WorkerDeath, killed: Option<KillReason>, closing: bool) {
        let cause = match (killed, death.cause) {
            (Some(KillReason::Closing | KillReason::Restarting), _) => ENDED,
            (Some(_), _) => DeathCause::Host.as_str(),
            (None, _) if closing => ENDED,
            (None, Some(cause)) => cause.as_str(),
            (None, None) => UNKNOWN,
        };
        self.worker_exits.get_or_create(&Exit { cause }).inc();
        if let Some(KillReason::LimitExceeded(limit)) = killed {
            self.limit_met(limit);
        }
    }

    /// What was asked for is refused, or stopped, with this code: counts it if a limit is what it met.
    pub(crate) fn failed(&self, code: ErrorCode) {
        if LIMITS.contains(&code) {
            self.limit_met(code);
        }
    }

    fn limit_met(&self, limit: ErrorCode) {
        self.limit_hits.get_or_create(&Hit { limit: limit.as_str() }).inc();
    }

    /// All of them, with these levels, but for the mark of the end.
    pub(crate) fn text(&self, levels: Levels, format: MetricsFormat) -> String {
        let gauge = |level: u64| i64::try_from(level).unwrap_or(i64::MAX);
        self.sessions.set(gauge(levels.sessions as u64));
        self.resident_bytes.set(gauge(levels.resident_bytes));
        self.handles.set(gauge(levels.handles));
        let mut text = String::new();
        format.encode(&self.registry, &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_limit_is_not_counted_as_one() {
        let metrics = SessionMetrics::default();
        metrics.failed(ErrorCode::PythonException);
        metrics.failed(ErrorCode::MemoryExceeded);
        metrics.exited(&WorkerDeath::default(), Some(KillReason::LimitExceeded(ErrorCode::MemoryExceeded)), false);
        metrics.exited(&WorkerDeath::default(), None, false);
        metrics.exited(&WorkerDeath::default(), None, true);
        let text = metrics.text(Levels { sessions: 3, ..Levels::default() }, MetricsFormat::Prometheus);
        for line in [
            r#"beep_limit_hits_total{limit="memory_exceeded"} 2"#,
            r#"beep_worker_exits_total{cause="host"} 1"#,
            r#"beep_worker_exits_total{cause="unknown"} 1"#,
            r#"beep_worker_exits_total{cause="ended"} 1"#,
            r#"beep_worker_exits_total{cause="crash"} 0"#,
            r#"beep_limit_hits_total{limit="queue_full"} 0"#,
            "beep_sessions 3",
        ] {
            assert!(text.lines().any(|there| there == line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches("limit=").count(), LIMITS.len(), "{text}");
    }
}
