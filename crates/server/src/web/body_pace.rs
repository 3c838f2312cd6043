//! How fast a body must come, so that a client that sends byte by byte keeps no place for long.

use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem};
use tokio::time::{Instant, timeout_at};

/// How long a client may take to begin, and fall behind.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many bytes must have come for each second behind that.
const BYTES_PER_SECOND: u64 = 1 << 10;

/// The pace of a body that comes.
#[derive(Debug)]
pub(crate) struct BodyPace {
    began: Instant,
    received: u64,
}

impl BodyPace {
    pub(crate) fn begin() -> BodyPace {
        BodyPace { began: Instant::now(), received: 0 }
    }

    /// Notes what has come.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// Waits for the next piece, as long as it is in time.
    pub(crate) async fn next<T>(&self, piece: impl Future<Output = T>) -> Result<T, Problem> {
        timeout_at(self.deadline(), piece).await.map_err(|_| {
            let detail = format!(
                "the body comes too slowly: {} bytes have come within {} seconds, and {BYTES_PER_SECOND} a second are the least, behind the \
                 first {} seconds",
                self.received,
                self.began.elapsed().as_secs(),
                PATIENCE.as_secs()
            );
            Problem::new(ErrorCode::RequestTimeout, detail)
        })
    }

    fn deadline(&self) -> Instant {
        self.began + PATIENCE + Duration::from_secs(self.received / BYTES_PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a body comes whose client sends so many bytes every ten seconds, 100 times.
    async fn lasts(bytes: usize) -> Option<Duration> {
        let mut pace = BodyPace::begin();
        for _ in 0..100 {
            pace.next(tokio::time::sleep(Duration::from_secs(10))).await.ok()?;
            pace.received(bytes);
        }
        Some(pace.began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_taken_and_one_that_dribbles_is_not() {
        assert_eq!(lasts(10 << 10).await, Some(Duration::from_secs(1000)));
        assert_eq!(lasts(1).await, None);
        assert_eq!(lasts(5 << 10).await, None, "in the long run it is too slow");
    }
}
