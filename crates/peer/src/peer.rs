//! Who the peer of a connection is to this process.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::sync::OnceLock;

use crate::peer_uid::{PeerUid, peer_uid, server_uid};

/// The peer of a connection, looked up once when it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A process of the server's own user on this machine: it could do all that we can, and needs no token.
    SameUser,
    /// A process of another user on this machine.
    OtherUser(u32),
    /// It came over loopback, and its user cannot be known.
    UnknownOnLoopback,
    /// It came over a network.
    Remote,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::SameUser => f.write_str("this user"),
            Peer::OtherUser(uid) => write!(f, "user {uid}"),
            Peer::UnknownOnLoopback => f.write_str("an unknown user of this machine"),
            Peer::Remote => f.write_str("another machine"),
        }
    }
}

/// What the kernel shows for users that have no number in a user namespace, unless it is told otherwise.
const OVERFLOW_UID: u32 = 65534;

/// The number that may stand for any user that has none here; `None` where every user has one, so that it is a user like others.
fn ambiguous_uid() -> Option<u32> {
    static AMBIGUOUS: OnceLock<Option<u32>> = OnceLock::new();
    *AMBIGUOUS.get_or_init(|| {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let overflow = fs::read_to_string("/proc/sys/kernel/overflowuid").ok().and_then(|uid| uid.trim().parse().ok());
        (!maps_every_user(&map)).then(|| overflow.unwrap_or(OVERFLOW_UID))
    })
}

/// Whether a `/proc/PID/uid_map` gives every user a number: its lines have the first one inside, the first one outside, and how many.
fn maps_every_user(map: &str) -> bool {
    let counts = map.lines().filter_map(|line| line.split_ascii_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum::<u64>() >= u64::from(u32::MAX)
}

impl Peer {
    /// Looks up the peer at the `remote` end of a connection that was accepted at `local`.
    pub fn of(local: SocketAddr, remote: SocketAddr) -> Peer {
        if !remote.ip().to_canonical().is_loopback() {
            return Peer::Remote;
        }
        Peer::from_uid(peer_uid(local, remote), rustix::process::geteuid().as_raw(), ambiguous_uid())
    }

    /// Looks up the server at the `remote` end of a connection that was made from `local`.
    pub fn of_server(local: SocketAddr, remote: SocketAddr) -> Peer {
        match server_uid(local, remote) {
            PeerUid::Unknown if !remote.ip().to_canonical().is_loopback() => Peer::Remote,
            uid => Peer::from_uid(uid, rustix::process::geteuid().as_raw(), ambiguous_uid()),
        }
    }

    /// The peer of a Unix socket, whose user the system knows.
    pub fn of_user(uid: u32) -> Peer {
        Peer::from_uid(PeerUid::Known(uid), rustix::process::geteuid().as_raw(), ambiguous_uid())
    }

    fn from_uid(uid: PeerUid, own: u32, ambiguous: Option<u32>) -> Peer {
        match uid {
            PeerUid::Known(uid) if uid == own && Some(uid) != ambiguous => Peer::SameUser,
            PeerUid::Known(uid) => Peer::OtherUser(uid),
            PeerUid::Unknown => Peer::UnknownOnLoopback,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_user_is_the_same_user() {
        assert_eq!(Peer::from_uid(PeerUid::Known(1000), 1000, None), Peer::SameUser);
        assert_eq!(Peer::from_uid(PeerUid::Known(0), 0, None), Peer::SameUser);
        assert_eq!(Peer::from_uid(PeerUid::Known(1001), 1000, None), Peer::OtherUser(1001));
        assert_eq!(Peer::from_uid(PeerUid::Known(0), 1000, None), Peer::OtherUser(0));
        assert_eq!(Peer::from_uid(PeerUid::Known(1000), 0, None), Peer::OtherUser(1000));
        assert_eq!(Peer::from_uid(PeerUid::Unknown, 0, None), Peer::UnknownOnLoopback);
    }

    #[test]
    fn users_that_the_namespace_cannot_tell_apart_are_not_the_same() {
        assert_eq!(Peer::from_uid(PeerUid::Known(65534), 65534, Some(65534)), Peer::OtherUser(65534));
        assert_eq!(Peer::from_uid(PeerUid::Known(65534), 65534, None), Peer::SameUser);
        assert!(maps_every_user("         0          0 4294967295\n"));
        assert!(maps_every_user("0 100000 65536\n65536 0 4294901759\n"));
        for map in ["", "0 1000 1\n", "0 100000 65536\n", "0 1000 1\n1 100000 65536\n", "nonsense"] {
            assert!(!maps_every_user(map), "{map}");
        }
    }

    #[test]
    fn an_address_of_a_network_is_remote() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(Peer::of(address("192.0.2.1:5678"), address("192.0.2.2:40000")), Peer::Remote);
        assert_eq!(Peer::of(address("127.0.0.1:1"), address("127.0.0.1:2")), Peer::UnknownOnLoopback);
        assert_eq!(Peer::of(address("[::ffff:127.0.0.1]:1"), address("[::ffff:127.0.0.1]:2")), Peer::UnknownOnLoopback);
    }
}
