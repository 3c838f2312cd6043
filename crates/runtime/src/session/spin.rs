//! The calls of all sessions of a host: how many are under way, and how closely they follow each other.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long it is worth staying awake for the next call.
const LINGER: Duration = Duration::from_micros(200);
/// As long, where this thread slept meanwhile: then waking up took its time, too.
const SLEPT: Duration = Duration::from_micros(300);
/// From so many calls on that followed each other closely, one more is expected.
const EXPECTED: u32 = 8;
/// More of them are not counted: half of what is counted is forgotten when one takes longer to come.
const COUNTED: u32 = 2 * EXPECTED;

/// What is counted.
#[derive(Debug)]
pub(crate) struct AdaptiveSpin {
    state: Mutex<State>,
    expects: Notify,
}

#[derive(Debug)]
struct State {
    under_way: usize,
    /// When the last call under way had ended.
    ceased: Instant,
    /// How many calls followed each other closely, of late.
    closely: u32,
}

impl AdaptiveSpin {
    pub(crate) fn new() -> AdaptiveSpin {
        let state = State { under_way: 0, ceased: Instant::now(), closely: 0 };
        AdaptiveSpin { state: Mutex::new(state), expects: Notify::new() }
    }

    /// A call is sent to a worker.
    pub(crate) fn sent(&self) {
        self.state().sent(Instant::now());
    }

    /// So many calls are no longer under way.
    pub(crate) fn ended(&self, calls: usize) {
        if self.state().ended(calls, Instant::now()) {
            self.expects.notify_one();
        }
    }

    /// Whether just one call is under way, and calls have followed each other closely of late.
    pub(crate) fn is_one_after_the_other(&self) -> bool {
        let state = self.state();
        state.under_way == 1 && state.expects()
    }

    /// Keeps this thread awake while calls follow each other closely: one that sleeps takes longer to wake up than such a
    /// client to send its next call. Never returns.
    pub(crate) async fn spin(&self) {
        loop {
            self.expects.notified().await;
            while self.is_worth_waiting() {
                // Whoever waits for this CPU goes first. It may be the client, whose call is there then; one who keeps it for
                // longer uses up the time.
                rustix::thread::sched_yield();
                // Looks for input, and comes back without having slept.
                tokio::task::yield_now().await;
            }
        }
    }

    fn is_worth_waiting(&self) -> bool {
        let state = self.state();
        state.under_way == 0 && state.ceased.elapsed() < LINGER
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

impl State {
    fn sent(&mut self, now: Instant) {
        if self.under_way == 0 {
            let within = if self.expects() { LINGER } else { SLEPT };
            let followed = now.duration_since(self.ceased) < within;
            self.closely = if followed { (self.closely + 1).min(COUNTED) } else { self.closely / 2 };
        }
        self.under_way += 1;
    }

    /// Whether the next call is to be expected soon.
    fn ended(&mut self, calls: usize, now: Instant) -> bool {
        self.under_way -= calls;
        if self.under_way > 0 || calls == 0 {
            return false;
        }
        self.ceased = now;
        self.expects()
    }

    fn expects(&self) -> bool {
        self.closely >= EXPECTED
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
        let mut state = State { under_way: 0, ceased: now, closely: 0 };
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
    fn none_is_expected_while_others_are_under_way() {
        let now = Instant::now();
        let mut state = State { under_way: 0, ceased: now, closely: COUNTED };
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
    fn stays_awake(closely: u32) -> bool {
        let traffic = AdaptiveSpin::new();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut lingering = pin!(traffic.spin());
        let mut poll = || {
            let before = wakes.0.load(Ordering::Relaxed);
            assert!(lingering.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            wakes.0.load(Ordering::Relaxed) > before
        };
        assert!(!poll(), "sleeps as long as nothing happened");
        traffic.sent();
        traffic.state().closely = closely;
        traffic.ended(1);
        let stays = poll();
        traffic.sent();
        assert!(!poll(), "sleeps while a call is under way");
        stays
    }

    #[test]
    fn it_stays_awake_for_a_call_that_is_expected_and_for_no_other() {
        assert!((0..1000).any(|_| stays_awake(COUNTED)), "even where this thread was held up in most of these");
        assert!(!stays_awake(0));
    }

    #[test]
    fn it_does_not_stay_awake_for_long() {
        let traffic = AdaptiveSpin::new();
        traffic.state().closely = COUNTED;
        traffic.sent();
        traffic.ended(1);
        let worth_waiting_after = |since| {
            traffic.state().ceased = Instant::now() - since;
            traffic.is_worth_waiting()
        };
        assert!((0..1000).any(|_| worth_waiting_after(Duration::ZERO)));
        assert!(!worth_waiting_after(LINGER));
    }
}
