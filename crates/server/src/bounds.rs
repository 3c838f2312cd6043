//! How much a server serves at once, over all backends: connections, those of one peer, and requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem};
use rustix::process::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::line_budget::within_budget;
use crate::metrics::server_metrics::refused;
use crate::peer_shares::{PeerKey, PeerShares, Share};

/// How many places are kept back for health, whatever else is served. A connection in one is there for a moment.
const KEPT_BACK: usize = 16;
/// How many connections of peers that have their shares wait for one of these. Further ones are closed at once.
const QUEUE: usize = 48;
/// How long a connection in a place that is kept back may take to send its head.
pub(crate) const KEPT_BACK_HEAD_TIME: Duration = Duration::from_millis(100);
/// How long such a connection lasts.
pub(crate) const KEPT_BACK_TIME: Duration = Duration::from_millis(500);
/// What a server serves whose descriptors are many.
const DEFAULT_CONNECTIONS: usize = 4096;
const DEFAULT_REQUESTS: usize = 16_384;
/// The descriptors that no bound of connections may take: those of health, and some of the server's own.
const KEPT_FOR_OTHERS: usize = 128;

/// The bounds of a server, as it is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoundsConfig {
    /// Connections of all backends together; by default 4096, or a third of the descriptors that the process may open.
    pub max_connections: Option<usize>,
    /// Connections of one address, or of the pipe; by default half of all.
    pub max_peer_connections: Option<usize>,
    /// Requests under way; by default 16,384.
    pub max_requests: Option<usize>,
}

/// A server may be told to serve more connections than it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{connections} connections (`start --max-connections`) are more than this process can have: it may open {descriptors} descriptors, \
     and {KEPT_FOR_OTHERS} of these are for health and its own files; let it open more (`ulimit -n`), or let fewer connect"
)]
pub struct TooManyConnections {
    connections: usize,
    descriptors: usize,
}

/// The places of a server.
#[derive(Debug)]
pub struct Bounds {
    max_connections: usize,
    ordinary: Arc<Semaphore>,
    kept_back: Arc<Semaphore>,
    /// Those that wait for a place that is kept back.
    queue: Arc<Semaphore>,
    peers: Arc<PeerShares>,
    max_requests: usize,
    requests: AtomicUsize,
}

impl Bounds {
    /// The bounds of this configuration, where the process may open as many descriptors as they need.
    pub fn new(config: BoundsConfig) -> Result<Arc<Bounds>, TooManyConnections> {
        let descriptors = descriptors();
        if let Some(connections) = config.max_connections
            && connections > descriptors.saturating_sub(KEPT_FOR_OTHERS)
        {
            return Err(TooManyConnections { connections, descriptors });
        }
        // Two thirds of the descriptors are left to sessions, data and files.
        let max_connections = config.max_connections.unwrap_or((descriptors / 3).clamp(1, DEFAULT_CONNECTIONS));
        let of_one = config.max_peer_connections.unwrap_or(max_connections.div_ceil(2));
        Ok(Arc::new(Bounds {
            max_connections,
            ordinary: Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))),
            kept_back: Arc::new(Semaphore::new(KEPT_BACK)),
            queue: Arc::new(Semaphore::new(QUEUE)),
            peers: Arc::new(PeerShares::new(of_one)),
            max_requests: config.max_requests.unwrap_or(DEFAULT_REQUESTS),
            requests: AtomicUsize::new(0),
        }))
    }

    /// A place for a connection of this peer, for which it waits where even those kept back are taken. One of a peer that has its share
    /// keeps no other waiting: it queues by itself; `None` where too many do.
    pub(crate) async fn admit(&self, peer: PeerKey) -> Option<ConnectionPlace> {
        let Some(share) = self.peers.take(peer) else {
            let most = self.peers.most_of_one();
            within_budget(
                "peer_connections",
                || tracing::warn!(%peer, most, "a peer has as many connections as it may"),
            );
            let detail = format!(
                "{peer} has {most} connections already, as many as one may have at once (`start --max-peer-connections`); close some first"
            );
            let Ok(permit) = self.queue.clone().try_acquire_owned() else {
                refused(ErrorCode::Overloaded);
                return None;
            };
            let queues_for = Some(self.kept_back.clone());
            return Some(ConnectionPlace { permit, _share: None, refusal: Some(overloaded(detail)), queues_for });
        };
        let (permit, refusal) = match self.ordinary.clone().try_acquire_owned() {
            Ok(permit) => (permit, None),
            Err(_) => tokio::select! {
                biased;
                permit = self.kept_back.clone().acquire_owned() => (permit.ok()?, Some(self.all_taken())),
                permit = self.ordinary.clone().acquire_owned() => (permit.ok()?, None),
            },
        };
        Some(ConnectionPlace { permit, _share: Some(share), refusal, queues_for: None })
    }

    fn all_taken(&self) -> Problem {
        let most = self.max_connections;
        within_budget("connections", || {
            tracing::warn!(most, "all connections that this server serves at once are taken")
        });
        overloaded(format!(
            "{most} connections are open, as many as this server serves at once (`start --max-connections`); try again in a moment"
        ))
    }

    /// The place of a request, until it is dropped; an error where too many are under way.
    pub(crate) fn begin_request(self: &Arc<Bounds>) -> Result<RequestPlace, Problem> {
        // The place first: it is given back in any case.
        let under_way = self.requests.fetch_add(1, Ordering::Relaxed);
        let place = RequestPlace(self.clone());
        if under_way < self.max_requests {
            return Ok(place);
        }
        let most = self.max_requests;
        Err(overloaded(format!(
            "{most} requests are under way, as many as this server takes at once (`start --max-requests`); try again in a moment"
        )))
    }
}

/// The place of a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    permit: OwnedSemaphorePermit,
    _share: Option<Share>,
    /// What its requests are told but those for health: it has a place that is kept back.
    refusal: Option<Problem>,
    /// The places that are kept back, while it has none of them yet.
    queues_for: Option<Arc<Semaphore>>,
}

impl ConnectionPlace {
    /// Waits until it is its turn.
    pub(crate) async fn turn(&mut self) {
        if let Some(kept_back) = self.queues_for.take()
            && let Ok(permit) = kept_back.acquire_owned().await
        {
            self.permit = permit;
        }
    }

    /// What its requests are told, but those for health.
    pub(crate) fn refusal(&self) -> Option<&Problem> {
        self.refusal.as_ref()
    }

    /// How long it may take to send the head of a request, where `ordinary` holds for others.
    pub(crate) fn head_time(&self, ordinary: Duration) -> Duration {
        if self.refusal.is_some() { KEPT_BACK_HEAD_TIME } else { ordinary }
    }
}

/// The place of a request that is under way.
#[derive(Debug)]
pub(crate) struct RequestPlace(Arc<Bounds>);

impl Drop for RequestPlace {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

fn overloaded(detail: String) -> Problem {
    Problem::new(ErrorCode::Overloaded, detail)
}

/// How many descriptors this process may open.
fn descriptors() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn bounds(connections: usize, of_one: usize, requests: usize) -> Arc<Bounds> {
        Bounds::new(BoundsConfig {
            max_connections: Some(connections),
            max_peer_connections: Some(of_one),
            max_requests: Some(requests),
        })
        .unwrap()
    }

    fn peer(number: u8) -> PeerKey {
        PeerKey::of([192, 0, 2, number].into())
    }

    #[tokio::test]
    async fn places_kept_back_refuse_until_an_ordinary_one_is_free() {
        let bounds = bounds(2, 99, 9);
        let [first, second] = [bounds.admit(peer(1)).await.unwrap(), bounds.admit(peer(2)).await.unwrap()];
        assert!(first.refusal().is_none() && second.refusal().is_none());
        let mut kept_back = Vec::new();
        for _ in 0..KEPT_BACK {
            kept_back.push(bounds.admit(peer(3)).now_or_never().expect("at once").unwrap());
        }
        let told = kept_back[0].refusal().unwrap();
        assert!(told.code == ErrorCode::Overloaded && told.detail.contains("2 connections"));
        let mut waiting = std::pin::pin!(bounds.admit(peer(3)));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        assert!(waiting.await.unwrap().refusal().is_none());
    }

    #[tokio::test]
    async fn one_peer_cannot_take_all() {
        let bounds = bounds(40, 2, 9);
        let _two = [bounds.admit(peer(1)).await.unwrap(), bounds.admit(peer(1)).await.unwrap()];
        let mut refused = Vec::new();
        for _ in 0..KEPT_BACK {
            let mut more = bounds.admit(peer(1)).await.unwrap();
            more.turn().now_or_never().expect("a place that is kept back");
            assert!(more.refusal().is_some());
            refused.push(more);
        }
        let mut queue = Vec::new();
        for _ in 0..QUEUE {
            queue.push(bounds.admit(peer(1)).now_or_never().expect("at once").unwrap());
        }
        assert!(bounds.admit(peer(1)).now_or_never().expect("at once").is_none(), "too many wait");
        let other = bounds.admit(peer(2)).now_or_never().expect("at once").unwrap();
        assert!(other.refusal().is_none());
        let mut turn = std::pin::pin!(queue[0].turn());
        assert!(turn.as_mut().now_or_never().is_none());
        drop(refused);
        turn.now_or_never().expect("a place is free");
        assert!(bounds.admit(peer(1)).await.is_some(), "and another may wait");
    }

    #[test]
    fn more_connections_than_descriptors_are_refused() {
        let config = BoundsConfig { max_connections: Some(usize::MAX), ..BoundsConfig::default() };
        let told = Bounds::new(config).unwrap_err().to_string();
        assert!(told.contains("--max-connections") && told.contains("ulimit -n"), "{told}");
        let least = descriptors().saturating_sub(KEPT_FOR_OTHERS);
        assert!(Bounds::new(BoundsConfig { max_connections: Some(least), ..config }).is_ok());
    }

    #[test]
    fn requests_are_counted_until_they_end() {
        let bounds = bounds(9, 9, 2);
        let first = bounds.begin_request().unwrap();
        let _second = bounds.begin_request().unwrap();
        assert_eq!(bounds.begin_request().unwrap_err().code, ErrorCode::Overloaded);
        drop(first);
        bounds.begin_request().expect("the one that was refused takes no place");
    }
}
