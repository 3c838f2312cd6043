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
pub struct PendingConnection {
    /// Held until it is let in.
    place: Mutex<Option<OwnedSemaphorePermit>>,
    mark_authenticated: AtomicBool,
    until: Instant,
}

impl PendingConnection {
    /// One that need not show anything, where there is no place to hold.
    pub(super) fn new(place: Option<OwnedSemaphorePermit>, within: Duration) -> PendingConnection {
        let mark_authenticated = AtomicBool::new(place.is_none());
        PendingConnection { place: Mutex::new(place), mark_authenticated, until: Instant::now() + within }
    }

    /// The door let a request of it pass.
    pub fn mark_authenticated(&self) {
        if !self.mark_authenticated.swap(true, Ordering::Relaxed) {
            drop(self.place.lock().expect("no panic while held").take());
        }
    }

    /// Returns when it should have been let in by now, and was not; else never.
    pub async fn auth_deadline(&self) {
        if !self.mark_authenticated.load(Ordering::Relaxed) {
            sleep_until(self.until).await;
            if !self.mark_authenticated.load(Ordering::Relaxed) {
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

    fn newcomer(places: &Arc<Semaphore>) -> PendingConnection {
        PendingConnection::new(Some(places.clone().try_acquire_owned().unwrap()), WITHIN)
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_not_let_in_overstays_and_who_is_gives_its_place_back() {
        let places = Arc::new(Semaphore::new(2));
        let (lingers, enters) = (newcomer(&places), newcomer(&places));
        assert_eq!(places.available_permits(), 0);
        enters.mark_authenticated();
        enters.mark_authenticated();
        assert_eq!(places.available_permits(), 1);
        lingers.auth_deadline().await;
        assert!(timeout(2 * WITHIN, enters.auth_deadline()).await.is_err());
        let trusted = PendingConnection::new(None, WITHIN);
        assert!(timeout(2 * WITHIN, trusted.auth_deadline()).await.is_err());
        drop(lingers);
        assert_eq!(places.available_permits(), 2);
    }
}
