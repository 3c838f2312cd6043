//! The pause before the next worker, where workers die as soon as they begin.

use std::time::Duration;

/// A worker that exits by itself this soon after its start counts as a crash.
const CRASH_LOOP_WINDOW: Duration = Duration::from_secs(5);
/// So many crashes in a row cost no pause; each further one doubles it.
const TOLERATED_CRASHES: u32 = 3;
const BACKOFF_INITIAL: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Counts the crashes of a session's workers in a row.
#[derive(Debug, Default)]
pub(crate) struct CrashLoop {
    streak: u32,
}

impl CrashLoop {
    /// A worker has exited that ran for `uptime`, and has answered a call or not: one that has did what it was there for.
    pub(crate) fn exited(&mut self, unexpectedly: bool, uptime: Duration, has_answered: bool) {
        let as_it_began = unexpectedly && !has_answered && uptime < CRASH_LOOP_WINDOW;
        self.streak = if as_it_began { self.streak + 1 } else { 0 };
    }

    /// The next worker is wanted at once.
    pub(crate) fn forgive(&mut self) {
        self.streak = 0;
    }

    /// The pause before the next worker starts; `None` as a rule.
    pub(crate) fn backoff(&self) -> Option<Duration> {
        let doublings = self.streak.checked_sub(TOLERATED_CRASHES + 1)?;
        Some(BACKOFF_INITIAL.saturating_mul(1 << doublings.min(16)).min(BACKOFF_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(crashes: u32) -> Option<Duration> {
        let mut crash_loop = CrashLoop::default();
        (0..crashes).for_each(|_| crash_loop.exited(true, Duration::ZERO, false));
        crash_loop.backoff()
    }

    #[test]
    fn pause_doubles_from_the_fourth_crash_in_a_row() {
        assert_eq!(after(3), None);
        assert_eq!(after(4), Some(Duration::from_millis(100)));
        assert_eq!(after(6), Some(Duration::from_millis(400)));
    }

    #[test]
    fn pause_is_bounded() {
        assert_eq!(after(1000), Some(BACKOFF_MAX));
    }

    #[test]
    fn worker_that_ran_for_a_while_or_was_ended_on_purpose_ends_the_streak() {
        for (unexpectedly, uptime, has_answered) in
            [(true, CRASH_LOOP_WINDOW, false), (false, Duration::ZERO, false), (true, Duration::ZERO, true)]
        {
            let mut crash_loop = CrashLoop { streak: 9 };
            crash_loop.exited(unexpectedly, uptime, has_answered);
            assert_eq!(crash_loop.backoff(), None);
        }
    }
}
