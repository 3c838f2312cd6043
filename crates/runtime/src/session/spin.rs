//! Adaptive spinning: the host's thread stays awake for the next call while calls follow each other closely.

use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// How long the thread spins for the next call.
const SPIN_WINDOW: Duration = Duration::from_micros(200);
/// The longest gap that counts as close where this thread slept meanwhile: waking up took its time, too.
const COLD_WINDOW: Duration = Duration::from_micros(300);
/// After so many calls that followed each other closely, one more is expected.
const EXPECTED: u32 = 8;
/// The streak is not counted beyond this. A call that takes longer to come halves it.
const MAX_STREAK: u32 = 2 * EXPECTED;

/// Counts the calls of all sessions of a host, and spins where one more is expected soon.
#[derive(Debug)]
pub(crate) struct AdaptiveSpin {
    state: Mutex<State>,
    expects_more: Notify,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// When the last call in flight had ended.
    idle_since: Instant,
    /// How many calls have followed each other closely.
    streak: u32,
}

impl AdaptiveSpin {
    pub(crate) fn new() -> AdaptiveSpin {
        let state = State { in_flight: 0, idle_since: Instant::now(), streak: 0 };
        AdaptiveSpin { state: Mutex::new(state), expects_more: Notify::new() }
    }

    /// A call is sent to a worker.
    pub(crate) fn sent(&self) {
        self.state().sent(Instant::now());
    }

    /// So many calls are no longer in flight.
    pub(crate) fn ended(&self, calls: usize) {
        if self.state().ended(calls, Instant::now()) {
            self.expects_more.notify_one();
        }
    }

    /// Whether just one call is in flight, and calls have followed each other closely.
    pub(crate) fn is_one_after_the_other(&self) -> bool {
        let state = self.state();
        state.in_flight == 1 && state.expects()
    }

    /// Keeps this thread awake while calls follow each other closely: waking up takes longer than such a client
    /// takes to send its next call. Never returns.
    pub(crate) async fn spin(&self) {
        loop {
            self.expects_more.notified().await;
            while self.should_spin() {
                // Other threads that wait for this CPU go first. One of them may be the client, which then sends its call; one
                // that keeps the CPU for longer uses up the window.
                rustix::thread::sched_yield();
                // Polls for input, and comes back without sleeping.
                tokio::task::yield_now().await;
            }
        }
    }

    fn should_spin(&self) -> bool {
        let state = self.state();
        state.in_flight == 0 && state.idle_since.elapsed() < SPIN_WINDOW
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn sent(&mut self, now: Instant) {
        if self.in_flight == 0 {
            let within = if self.expects() { SPIN_WINDOW } else { COLD_WINDOW };
            let followed = now.duration_since(self.idle_since) < within;
            self.streak = if followed { (self.streak + 1).min(MAX_STREAK) } else { self.streak / 2 };
        }
        self.in_flight += 1;
    }

    /// Whether the next call is likely soon.
    fn ended(&mut self, calls: usize, now: Instant) -> bool {
        self.in_flight -= calls;
        if self.in_flight > 0 || calls == 0 {
            return false;
        }
        self.idle_since = now;
        self.expects()
    }

    fn expects(&self) -> bool {
        self.streak >= EXPECTED
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};

    use super::*;

    const CALL: Duration = Duration::from_micros(20);

    /// Says of each call, which is sent so many microseconds after the end of the one before, whether one more is expected.
    fn expected(gaps: &[u64]) -> Vec<bool> {
        let mut now = Instant::now();
        let mut state = State { in_flight: 0, idle_since: now, streak: 0 };
        let mut call = |gap: &u64| {
            now += Duration::from_micros(*gap);
            state.sent(now);
            now += CALL;
            state.ended(1, now)
        };
        gaps.iter().map(&mut call).collect()
    }

    #[test]
    fn one_more_is_expected_after_some_that_followed_closely() {
        assert_eq!(expected(&[290; 9]), [false, false, false, false, false, false, false, true, false]);
        assert_eq!(expected(&[190; 9]), [false, false, false, false, false, false, false, true, true]);
        assert_eq!(expected(&[310; 9]), [false; 9]);
    }

    #[test]
    fn one_that_takes_longer_to_come_is_forgiven_when_many_did_not() {
        let mut gaps = [50; 20];
        gaps[16] = 5000;
        assert!(expected(&gaps)[7..].iter().all(|&expected| expected));
        gaps[17] = 5000;
        assert_eq!(expected(&gaps)[15..], [true, true, false, false, false]);
    }

    #[test]
    fn none_is_expected_while_others_are_in_flight() {
        let now = Instant::now();
        let mut state = State { in_flight: 0, idle_since: now, streak: MAX_STREAK };
        state.sent(now);
        state.sent(now);
        assert!(!state.ended(1, now));
        assert!(state.ended(1, now));
        assert!(!state.ended(0, now), "nothing ended");
    }

    /// Counts how often a task wants to go on at once.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether lingering goes on after the end of a call that the next was to be expected to follow, or not.
    fn stays_awake(streak: u32) -> bool {
        let spin = AdaptiveSpin::new();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut lingering = pin!(spin.spin());
        let mut poll = || {
            let before = wakes.0.load(Ordering::Relaxed);
            assert!(lingering.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            wakes.0.load(Ordering::Relaxed) > before
        };
        assert!(!poll(), "sleeps as long as nothing happened");
        spin.sent();
        spin.state().streak = streak;
        spin.ended(1);
        let stays = poll();
        spin.sent();
        assert!(!poll(), "sleeps while a call is under way");
        stays
    }

    #[test]
    fn it_stays_awake_for_a_call_that_is_expected_and_for_no_other() {
        assert!((0..1000).any(|_| stays_awake(MAX_STREAK)), "even where this thread was held up in most of these");
        assert!(!stays_awake(0));
    }

    #[test]
    fn it_does_not_stay_awake_for_long() {
        let spin = AdaptiveSpin::new();
        spin.state().streak = MAX_STREAK;
        spin.sent();
        spin.ended(1);
        let spins_after = |since| {
            spin.state().idle_since = Instant::now() - since;
            spin.should_spin()
        };
        assert!((0..1000).any(|_| spins_after(Duration::ZERO)));
        assert!(!spins_after(SPIN_WINDOW));
    }
}
