//! The time that a debugger holds a call stopped, which does not count against its deadline.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// How long a call, or all batches of a stream, was held.
#[derive(Debug, Default)]
pub(crate) struct HeldTime(watch::Sender<Held>);

#[derive(Debug, Default)]
struct Held {
    /// How many threads a debugger holds.
    threads: u32,
    since: Option<Instant>,
    before: Duration,
}

impl HeldTime {
    /// A debugger holds a thread of the call from now on, or does not any more.
    pub(crate) fn set(&self, is_held: bool) {
        self.0.send_modify(|held| {
            held.threads = if is_held { held.threads + 1 } else { held.threads.saturating_sub(1) };
            match held.since {
                None if is_held => held.since = Some(Instant::now()),
                Some(since) if held.threads == 0 => {
                    held.before += since.elapsed();
                    held.since = None;
                }
                _ => {}
            }
        });
    }

    pub(crate) fn total(&self) -> Duration {
        let held = self.0.borrow();
        held.before + held.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Waits for so long, beside the time in which the call is held.
    pub(crate) async fn sleep(&self, mut time: Duration) {
        let mut changes = self.0.subscribe();
        loop {
            let _ = changes.wait_for(|held| held.threads == 0).await; // the sender is `self`
            let began = Instant::now();
            tokio::select! {
                () = sleep(time) => return,
                _ = changes.wait_for(|held| held.threads > 0) => time = time.saturating_sub(began.elapsed()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn time_in_which_a_call_is_held_does_not_pass() {
        let (held, began) = (Arc::new(HeldTime::default()), Instant::now());
        let waiting = tokio::spawn({
            let held = held.clone();
            async move { held.sleep(5 * SECOND).await }
        });
        sleep(2 * SECOND).await;
        held.set(true);
        held.set(true);
        sleep(50 * SECOND).await;
        held.set(false);
        sleep(50 * SECOND).await; // another thread of it is still held
        held.set(false);
        waiting.await.expect("no panic");
        assert_eq!((began.elapsed(), held.total()), (105 * SECOND, 100 * SECOND));
        held.set(false); // one more than was held
        held.sleep(SECOND).await;
        assert_eq!(began.elapsed(), 106 * SECOND);
    }
}
