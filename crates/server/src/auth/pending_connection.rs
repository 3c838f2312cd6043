//! Connections that have not authenticated yet, which are few and brief; and those with a token, which end with it.
//!
//! Connections of the server's own user are authenticated at once. Others have to show a token with a request; until
//! then they hold places of their own, so that they cannot exhaust those of authenticated clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::auth::accepted_tokens::AcceptedTokens;
use crate::auth::client::Client;
use crate::auth::named_tokens::{NamedToken, now};
use crate::auth::pending_places::Place;
use crate::line_budget::within_budget;
use crate::spans::shows_token;

/// How often the end of a token is looked at: it is a time of day, and may come earlier or later than the timer, which stands still while
/// the machine is suspended.
const LOOK: Duration = Duration::from_secs(60);

/// A connection that may have to authenticate.
#[derive(Debug)]
pub struct PendingConnection {
    client: Client,
    /// How it authenticates; `None` where it need not.
    authenticating: Option<Authenticating>,
    tokens: Arc<AcceptedTokens>,
    /// The tokens that its requests have shown; where it need not authenticate, those that a proxy passed on.
    shown: Mutex<Vec<Arc<NamedToken>>>,
    /// Told of each one more.
    one_more: Notify,
}

#[derive(Debug)]
struct Authenticating {
    /// Held until it has authenticated.
    place: Mutex<Option<Place>>,
    authenticated: AtomicBool,
    deadline: Instant,
}

impl PendingConnection {
    /// One that needs no token.
    pub(super) fn trusted(client: Client, tokens: Arc<AcceptedTokens>) -> PendingConnection {
        PendingConnection { client, authenticating: None, tokens, shown: Mutex::default(), one_more: Notify::new() }
    }

    pub(super) fn new(
        client: Client,
        place: Place,
        within: Duration,
        tokens: Arc<AcceptedTokens>,
    ) -> PendingConnection {
        let authenticating = Authenticating {
            place: Mutex::new(Some(place)),
            authenticated: AtomicBool::new(false),
            deadline: Instant::now() + within,
        };
        PendingConnection { authenticating: Some(authenticating), ..PendingConnection::trusted(client, tokens) }
    }

    /// Whose it is.
    pub(crate) fn client(&self) -> Client {
        self.client
    }

    /// Whether it needs a token.
    pub(crate) fn needs_token(&self) -> bool {
        self.authenticating.is_some()
    }

    /// A request of it was authorized, by this token where it showed one.
    pub fn mark_authenticated(&self, token: Option<&Arc<NamedToken>>) {
        if let Some(authenticating) = &self.authenticating
            && !authenticating.authenticated.swap(true, Ordering::Relaxed)
        {
            drop(authenticating.place.lock().take());
        }
        if let Some(token) = token {
            shows_token(&token.name);
            let mut shown = self.shown.lock();
            if !shown.contains(token) {
                tracing::debug!(token = token.name, "a client has shown a token");
                shown.push(token.clone());
                self.one_more.notify_one();
            }
        }
    }

    /// Returns when it has missed its deadline to authenticate, or a token that it showed is good no more; else never.
    pub async fn denied(&self) {
        tokio::select! {
            () = self.missed_deadline() => {
                let what = "a connection was closed that is not of this user and did not show the token in time";
                within_budget("token_not_shown", || tracing::warn!("{what}"));
            }
            token = self.token_ended() => {
                let what = "a connection was closed whose token was revoked, renewed, or has expired";
                within_budget("token_ended", || tracing::warn!(token = token.name, "{what}"));
            }
        }
    }

    async fn missed_deadline(&self) {
        if let Some(authenticating) = &self.authenticating
            && !authenticating.authenticated.load(Ordering::Relaxed)
        {
            sleep_until(authenticating.deadline).await;
            if !authenticating.authenticated.load(Ordering::Relaxed) {
                return;
            }
        }
        std::future::pending().await
    }

    /// Returns the token that is good no more.
    async fn token_ended(&self) -> Arc<NamedToken> {
        if self.shown.lock().is_empty() {
            self.one_more.notified().await;
        }
        let mut changes = self.tokens.changes();
        loop {
            changes.mark_unchanged();
            let shown = self.shown.lock().clone();
            if let Some(ended) = shown.iter().find(|token| !self.tokens.has(token)) {
                return ended.clone();
            }
            let first_end = shown.iter().filter_map(|token| token.expires).min();
            let expired = async {
                match first_end {
                    Some(end) => sleep(Duration::from_secs(end.saturating_sub(now()).max(1)).min(LOOK)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = changes.changed() => {}
                () = self.one_more.notified() => {}
                () = expired => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use beep_python_runtime::platform::Home;
    use futures_util::FutureExt;
    use tokio::time::timeout;

    use super::*;
    use crate::auth::Peer;
    use crate::auth::accepted_tokens::DefaultToken;
    use crate::auth::named_tokens::NamedTokens;
    use crate::auth::pending_places::PendingPlaces;
    use crate::auth::token::Token;

    const WITHIN: Duration = Duration::from_secs(10);

    const CLIENT: Client = Client { peer: Peer::SameUser, address: None };

    struct Fixture {
        places: PendingPlaces,
        tokens: Arc<AcceptedTokens>,
        named: NamedTokens,
        _folder: tempfile::TempDir,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let default = DefaultToken::Given(Token::of_text(b"a-text-that-is-long-enough").unwrap());
        Fixture {
            places: PendingPlaces::new(2, 2),
            tokens: Arc::new(AcceptedTokens::open(&home, default).unwrap()),
            named: NamedTokens::of(&home),
            _folder: folder,
        }
    }

    impl Fixture {
        fn pending(&self) -> PendingConnection {
            self.try_pending().expect("a place")
        }

        fn try_pending(&self) -> Option<PendingConnection> {
            let place = self.places.take(Peer::SameUser, None)?;
            Some(PendingConnection::new(CLIENT, place, WITHIN, self.tokens.clone()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn authentication_returns_the_place_and_its_lack_misses_the_deadline() {
        let fixture = fixture();
        let (late, authenticated) = (fixture.pending(), fixture.pending());
        assert!(fixture.try_pending().is_none());
        authenticated.mark_authenticated(None);
        authenticated.mark_authenticated(None);
        let next = fixture.pending();
        assert!(fixture.try_pending().is_none());
        late.denied().await;
        assert!(timeout(2 * WITHIN, authenticated.denied()).await.is_err());
        let trusted = PendingConnection::trusted(CLIENT, fixture.tokens.clone());
        assert!(timeout(2 * WITHIN, trusted.denied()).await.is_err());
        drop((late, next));
        let _both = (fixture.pending(), fixture.pending());
        assert!(fixture.try_pending().is_none());
    }

    #[tokio::test]
    async fn connection_ends_with_each_token_that_it_showed() {
        let fixture = fixture();
        let made = ["one", "two"].map(|name| fixture.named.create(name, None, false).unwrap());
        let [one, two] = made.map(|made| fixture.tokens.find(made.text.as_bytes()).unwrap());
        let (of_one, of_both) = (fixture.pending(), fixture.pending());
        of_one.mark_authenticated(Some(&one));
        of_both.mark_authenticated(Some(&one));
        let mut ended = std::pin::pin!(of_both.denied());
        assert!(ended.as_mut().now_or_never().is_none());
        of_both.mark_authenticated(Some(&two));
        assert!(ended.as_mut().now_or_never().is_none());
        fixture.named.revoke("two").unwrap();
        assert!(fixture.tokens.find(b"what makes it look at the files").is_none());
        ended.await;
        assert!(of_one.denied().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn token_that_ends_is_looked_at_again_and_again() {
        let fixture = fixture();
        let made = fixture.named.create("one", Some(Duration::from_secs(86_400)), false).unwrap();
        let one = fixture.tokens.find(made.text.as_bytes()).unwrap();
        let connection = fixture.pending();
        connection.mark_authenticated(Some(&one));
        let mut ended = std::pin::pin!(connection.denied());
        assert!(ended.as_mut().now_or_never().is_none());
        // Nothing tells of it: as when the clock jumps over its end.
        fixture.named.revoke("one").unwrap();
        timeout(2 * LOOK, ended).await.expect("it was looked at");
    }
}
