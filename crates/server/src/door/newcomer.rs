//! Connections that have not been let in yet: few, and not for long.
//!
//! Whoever comes as the server's own user is let in by that. Others have to show the token with a request; until they
//! have, they hold places of their own, so that they cannot take those of clients that were let in.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

/// A connection, from when it was accepted.
#[derive(Debug)]
pub struct Newcomer {
    /// Held until it is let in.
    place: Mutex<Option<OwnedSemaphorePermit>>,
    let_in: AtomicBool,
    until: Instant,
}

impl Newcomer {
    /// One that need not show anything, where there is no place to hold.
    pub(super) fn new(place: Option<OwnedSemaphorePermit>, within: Duration) -> Newcomer {
        let let_in = AtomicBool::new(place.is_none());
        Newcomer { place: Mutex::new(place), let_in, until: Instant::now() + within }
    }

    /// The door let a request of it pass.
    pub fn let_in(&self) {
        if !self.let_in.swap(true, Ordering::Relaxed) {
            drop(self.place.lock().expect("no panic while held").take());
        }
    }

    /// Returns when it should have been let in by now, and was not; else never.
    pub async fn overstays(&self) {
        if !self.let_in.load(Ordering::Relaxed) {
            sleep_until(self.until).await;
            if !self.let_in.load(Ordering::Relaxed) {
                tracing::warn!("a connection was closed that is not of this user and did not show the token in time");
                return;
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;
    use tokio::time::timeout;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    fn newcomer(places: &Arc<Semaphore>) -> Newcomer {
        Newcomer::new(Some(places.clone().try_acquire_owned().unwrap()), WITHIN)
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_not_let_in_overstays_and_who_is_gives_its_place_back() {
        let places = Arc::new(Semaphore::new(2));
        let (lingers, enters) = (newcomer(&places), newcomer(&places));
        assert_eq!(places.available_permits(), 0);
        enters.let_in();
        enters.let_in();
        assert_eq!(places.available_permits(), 1);
        lingers.overstays().await;
        assert!(timeout(2 * WITHIN, enters.overstays()).await.is_err());
        let trusted = Newcomer::new(None, WITHIN);
        assert!(timeout(2 * WITHIN, trusted.overstays()).await.is_err());
        drop(lingers);
        assert_eq!(places.available_permits(), 2);
    }
}
