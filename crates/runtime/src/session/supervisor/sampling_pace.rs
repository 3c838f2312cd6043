//! How often a session with limits is sampled.

use std::time::Duration;

use crate::worker::resource_usage::ResourceUsage;

/// While a call runs, or something changes.
pub(super) const FASTEST: Duration = Duration::from_millis(50);
/// While nothing does. A sample reads all of `/proc`: sessions that only wait must not take a processor's time.
const SLOWEST: Duration = Duration::from_secs(5);

/// The time until the next sample, longer each time that nothing has changed.
#[derive(Debug)]
pub(super) struct SamplingPace {
    pause: Duration,
    last: ResourceUsage,
}

impl SamplingPace {
    pub(super) fn new() -> SamplingPace {
        SamplingPace { pause: FASTEST, last: ResourceUsage::default() }
    }

    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Whether a call that begins has to be told of: it would not be seen before long.
    pub(super) fn is_slow(&self) -> bool {
        self.pause > FASTEST
    }

    /// A call begins.
    pub(super) fn wake(&mut self) {
        self.pause = FASTEST;
    }

    /// After a sample; `busy` says whether the session has a call.
    pub(super) fn sampled(&mut self, usage: ResourceUsage, busy: bool) {
        let changed = std::mem::replace(&mut self.last, usage) != usage;
        self.pause = if busy || changed { FASTEST } else { (self.pause * 2).min(SLOWEST) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slows_down_while_nothing_changes() {
        let mut pace = SamplingPace::new();
        let usage = |processes| ResourceUsage { processes, ..ResourceUsage::default() };
        pace.sampled(usage(1), false);
        assert!(!pace.is_slow());
        let pauses: Vec<_> = (0..9)
            .map(|_| {
                pace.sampled(usage(1), false);
                pace.pause().as_millis()
            })
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        pace.sampled(usage(2), false);
        assert_eq!(pace.pause(), FASTEST);
        pace.sampled(usage(2), false);
        pace.sampled(usage(2), true);
        assert_eq!(pace.pause(), FASTEST);
        pace.sampled(usage(2), false);
        assert!(pace.is_slow());
        pace.wake();
        assert!(!pace.is_slow());
    }
}
