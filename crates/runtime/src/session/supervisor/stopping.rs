//! How far a call is stopped that exceeds a limit.

use std::time::{Duration, Instant};

use beep_python_protocol::ErrorCode;

use crate::worker::resource_usage::ResourceUsage;

/// The processor time that a call may still take which exceeds a limit of memory or processes: with it, it takes more of them. A
/// call that waits, or that a busy machine does not let run, has its whole grace; and whatever other threads and processes of its session
/// use, it has as much time to stop.
/// A slow machine needs half a second to fill a few hundred megabytes, within which no interrupt is taken.
const GROWING_GRACE: Duration = Duration::from_secs(1);

/// Where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stopping {
    #[default]
    No,
    /// It was interrupted, and is killed when its grace is over.
    Interrupted,
    /// It was interrupted, and is killed before that when the session has used processor time up to `cpu`, and it is later than `time`.
    Growing {
        cpu: Duration,
        time: Instant,
    },
    Killed,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Interrupt,
    Kill,
}

impl Stopping {
    /// The call is seen to exceed this limit.
    pub(super) fn exceeds(&mut self, code: ErrorCode, usage: &ResourceUsage, now: Instant) -> Option<Step> {
        let grows = matches!(code, ErrorCode::MemoryExceeded | ErrorCode::TooManyProcesses);
        let interrupted = match grows {
            true => Stopping::Growing { cpu: usage.cpu + GROWING_GRACE, time: now + GROWING_GRACE },
            false => Stopping::Interrupted,
        };
        let (next, step) = match *self {
            Stopping::No => (interrupted, Some(Step::Interrupt)),
            Stopping::Interrupted => (interrupted, None),
            Stopping::Growing { cpu, time } if grows && usage.cpu > cpu && now > time => {
                (Stopping::Killed, Some(Step::Kill))
            }
            Stopping::Growing { .. } | Stopping::Killed => (*self, None),
        };
        *self = next;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(millis: u64) -> ResourceUsage {
        ResourceUsage { cpu: Duration::from_millis(millis), ..ResourceUsage::default() }
    }

    #[test]
    fn call_that_takes_more_has_less_time_to_stop() {
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        for code in [ErrorCode::MemoryExceeded, ErrorCode::TooManyProcesses] {
            let mut stopping = Stopping::No;
            assert_eq!(stopping.exceeds(code, &used(1000), now), Some(Step::Interrupt));
            assert_eq!(stopping.exceeds(code, &used(2000), at(9000)), None, "it waits, or nothing lets it run");
            assert_eq!(stopping.exceeds(code, &used(9000), at(1000)), None, "many threads clean up");
            assert_eq!(
                stopping.exceeds(ErrorCode::CpuTimeExceeded, &used(9000), at(1100)),
                None,
                "it freed the memory"
            );
            assert_eq!(stopping.exceeds(code, &used(2010), at(1010)), Some(Step::Kill));
            assert_eq!(stopping.exceeds(code, &used(9000), at(9000)), None, "once");
        }
    }

    #[test]
    fn call_that_used_up_its_time_has_its_whole_grace_unless_it_takes_more() {
        let (mut stopping, now) = (Stopping::No, Instant::now());
        let at = |millis| now + Duration::from_millis(millis);
        assert_eq!(stopping.exceeds(ErrorCode::CpuTimeExceeded, &used(1000), now), Some(Step::Interrupt));
        assert_eq!(stopping.exceeds(ErrorCode::CpuTimeExceeded, &used(9000), at(9000)), None);
        assert_eq!(stopping.exceeds(ErrorCode::MemoryExceeded, &used(9000), at(9000)), None);
        assert_eq!(stopping.exceeds(ErrorCode::MemoryExceeded, &used(10_100), at(10_100)), Some(Step::Kill));
    }
}
