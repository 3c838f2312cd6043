//! Places for connections that have not authenticated yet. No client takes those of others: the network, loopback and the pipe have
//! pools of their own, and in each a stranger has few.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::Peer;
use crate::peer_shares::{PeerKey, PeerShares, Share};

/// The places of a server.
#[derive(Debug)]
pub(super) struct PendingPlaces {
    network: Arc<Semaphore>,
    loopback: Arc<Semaphore>,
    pipe: Arc<Semaphore>,
    strangers: Arc<PeerShares>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

impl PendingPlaces {
    /// So many in each pool, and so many of them for each stranger.
    pub(super) fn new(each: usize, of_one: usize) -> PendingPlaces {
        let pool = || Arc::new(Semaphore::new(each));
        let strangers = Arc::new(PeerShares::new(of_one));
        PendingPlaces { network: pool(), loopback: pool(), pipe: pool(), strangers }
    }

    /// A place for a connection from this address, or over the pipe; `None` where all are taken.
    pub(super) fn take(&self, peer: Peer, address: Option<IpAddr>) -> Option<Place> {
        let (pool, stranger) = match (peer, address) {
            (_, None) => (&self.pipe, None),
            (Peer::Remote, Some(ip)) => (&self.network, Some(PeerKey::of(ip))),
            (Peer::OtherUser(uid), Some(_)) => (&self.loopback, Some(PeerKey::User(uid))),
            (Peer::SameUser | Peer::UnknownOnLoopback, Some(_)) => (&self.loopback, None),
        };
        let share = match stranger {
            Some(stranger) => Some(self.strangers.take(stranger)?),
            None => None,
        };
        Some(Place { _permit: pool.clone().try_acquire_owned().ok()?, _share: share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn take(places: &PendingPlaces, peer: Peer, address: Option<IpAddr>, number: usize) -> Vec<Place> {
        (0..number).filter_map(|_| places.take(peer, address)).collect()
    }

    #[test]
    fn a_stranger_has_few_places_and_gets_them_back() {
        let places = PendingPlaces::new(10, 3);
        let of_one = take(&places, Peer::Remote, ip("192.0.2.1"), 10);
        assert_eq!(of_one.len(), 3);
        assert!(places.take(Peer::Remote, ip("::ffff:192.0.2.1")).is_none(), "it is the same");
        assert!(places.take(Peer::Remote, ip("192.0.2.2")).is_some());
        let of_network = take(&places, Peer::Remote, ip("2001:db8::1"), 10);
        assert_eq!(of_network.len(), 3);
        assert!(places.take(Peer::Remote, ip("2001:db8::ffff:1")).is_none(), "it is one machine's to choose");
        assert!(places.take(Peer::Remote, ip("2001:db8:0:1::1")).is_some());
        let of_user = take(&places, Peer::OtherUser(7), ip("127.0.0.1"), 10);
        assert_eq!(of_user.len(), 3);
        assert!(places.take(Peer::OtherUser(8), ip("127.0.0.1")).is_some());
        drop((of_one, of_network, of_user));
        assert_eq!(take(&places, Peer::Remote, ip("192.0.2.1"), 10).len(), 3);
        assert!(places.strangers.is_empty(), "what is gone is forgotten");
    }

    #[test]
    fn network_loopback_and_pipe_do_not_take_from_each_other() {
        let places = PendingPlaces::new(2, 1);
        let of_network: Vec<Place> =
            ["192.0.2.1", "192.0.2.2", "192.0.2.3"].iter().filter_map(|at| places.take(Peer::Remote, ip(at))).collect();
        assert_eq!(of_network.len(), 2);
        let of_loopback = take(&places, Peer::SameUser, ip("127.0.0.1"), 9);
        assert_eq!(of_loopback.len(), 2);
        assert!(places.take(Peer::UnknownOnLoopback, ip("::1")).is_none());
        assert_eq!(take(&places, Peer::SameUser, None, 9).len(), 2);
        drop(of_network);
        assert!(places.take(Peer::Remote, ip("192.0.2.4")).is_some());
        assert!(places.take(Peer::OtherUser(1), ip("127.0.0.1")).is_none());
        assert!(places.strangers.is_empty(), "a refused connection takes no place");
    }
}
