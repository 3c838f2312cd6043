//! The processes that ended calls left: too many of them are no fault of the call that runs now, and have some time to end.

use std::time::{Duration, Instant};

use crate::session::call::CallId;

/// What one sample showed.
#[derive(Clone, Copy)]
pub(super) struct Count {
    pub(super) processes: u64,
    /// Whether these are more than the session may have.
    pub(super) too_many: bool,
    /// The call that runs.
    pub(super) call: Option<CallId>,
}

/// Follows a session that has too many processes.
pub(super) struct LeftProcesses {
    /// How long they may be there.
    time: Duration,
    before: Option<Count>,
    left: Option<Left>,
}

/// How many processes no running call made, and until when they may be there.
struct Left {
    processes: u64,
    until: Instant,
}

impl LeftProcesses {
    pub(super) fn new(time: Duration) -> LeftProcesses {
        LeftProcesses { time, before: None, left: None }
    }

    /// Notes what a sample showed, and tells whether it is tolerated.
    pub(super) fn tolerate(&mut self, count: Count, now: Instant) -> bool {
        let before = self.before.replace(count);
        if !count.too_many {
            self.left = None;
            return true;
        }
        let are_of_another = before.is_some_and(|before| before.too_many && before.call != count.call);
        // What is being stopped may go on to fork, before it learns of that: the first look at the next call counts these.
        match &mut self.left {
            None if count.call.is_none() || are_of_another => {
                self.left = Some(Left { processes: count.processes, until: now + self.time });
            }
            Some(left) if count.call.is_none() => left.processes = left.processes.max(count.processes),
            _ => {}
        }
        self.left.as_ref().is_some_and(|left| now < left.until && count.processes <= left.processes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(1);

    fn count(call: Option<u64>, processes: u64) -> Count {
        Count { processes, too_many: processes > 4, call: call.map(CallId) }
    }

    #[test]
    fn call_that_makes_too_many_is_not_tolerated() {
        let (mut left, now) = (LeftProcesses::new(TIME), Instant::now());
        assert!(left.tolerate(count(Some(1), 4), now));
        assert!(!left.tolerate(count(Some(1), 5), now));
        assert!(!left.tolerate(count(Some(1), 5), now), "and does not become so");
    }

    #[test]
    fn next_call_does_not_pay_for_them() {
        let (mut left, now) = (LeftProcesses::new(TIME), Instant::now());
        assert!(!left.tolerate(count(Some(1), 7), now));
        assert!(left.tolerate(count(Some(2), 8), now), "the stopped one made another meanwhile");
        assert!(left.tolerate(count(Some(3), 7), now + TIME / 2));
        assert!(!left.tolerate(count(Some(3), 9), now + TIME / 2), "it made one more");
        assert!(!left.tolerate(count(Some(3), 6), now + TIME), "they do not end");
    }

    #[test]
    fn idle_session_has_time_to_end_them() {
        let (mut left, now) = (LeftProcesses::new(TIME), Instant::now());
        assert!(!left.tolerate(count(Some(1), 7), now));
        assert!(left.tolerate(count(None, 7), now));
        assert!(left.tolerate(count(None, 9), now), "they go on to fork");
        assert!(left.tolerate(count(Some(2), 9), now));
        assert!(left.tolerate(count(Some(2), 5), now + TIME / 2));
        assert!(!left.tolerate(count(None, 5), now + TIME), "the time does not begin anew");
        assert!(left.tolerate(count(None, 4), now + TIME));
        assert!(left.tolerate(count(None, 5), now + TIME), "it does with new ones");
    }
}
