//! Connections that have not authenticated yet: few, and not for long.
//!
//! Connections of the server's own user are authenticated at once. Others have to show the token with a request; until
//! then they hold permits of a pool of their own, so that they cannot exhaust those of authenticated clients.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::line_budget::within_budget;

/// A connection that may have to authenticate.
#[derive(Debug)]
pub struct PendingConnection {
    /// Held until it has authenticated.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    authenticated: AtomicBool,
    deadline: Instant,
}

impl PendingConnection {
    /// One that is authenticated already, where there is no permit to hold.
    pub(super) fn new(permit: Option<OwnedSemaphorePermit>, within: Duration) -> PendingConnection {
        let authenticated = AtomicBool::new(permit.is_none());
        PendingConnection { permit: Mutex::new(permit), authenticated, deadline: Instant::now() + within }
    }

    /// A request of it was authorized.
    pub fn mark_authenticated(&self) {
        if !self.authenticated.swap(true, Ordering::Relaxed) {
            drop(self.permit.lock().take());
        }
    }

    /// Returns when it has missed its deadline to authenticate; else never.
    pub async fn auth_deadline(&self) {
        if !self.authenticated.load(Ordering::Relaxed) {
            sleep_until(self.deadline).await;
            if !self.authenticated.load(Ordering::Relaxed) {
                let what = "a connection was closed that is not of this user and did not show the token in time";
                within_budget("token_not_shown", || tracing::warn!("{what}"));
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

    fn pending(permits: &Arc<Semaphore>) -> PendingConnection {
        PendingConnection::new(Some(permits.clone().try_acquire_owned().unwrap()), WITHIN)
    }

    #[tokio::test(start_paused = true)]
    async fn authentication_returns_the_permit_and_its_lack_misses_the_deadline() {
        let permits = Arc::new(Semaphore::new(2));
        let (late, authenticated) = (pending(&permits), pending(&permits));
        assert_eq!(permits.available_permits(), 0);
        authenticated.mark_authenticated();
        authenticated.mark_authenticated();
        assert_eq!(permits.available_permits(), 1);
        late.auth_deadline().await;
        assert!(timeout(2 * WITHIN, authenticated.auth_deadline()).await.is_err());
        let trusted = PendingConnection::new(None, WITHIN);
        assert!(timeout(2 * WITHIN, trusted.auth_deadline()).await.is_err());
        drop(late);
        assert_eq!(permits.available_permits(), 2);
    }
}
