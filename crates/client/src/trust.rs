//! Which servers may have what a client sends.

use beep_python_peer::Peer;

/// Whether the peer is the own user's or root's; otherwise the reason why nothing is sent.
pub(crate) fn check(peer: Peer) -> Result<(), String> {
    match peer {
        Peer::SameUser | Peer::OtherUser(0) => Ok(()),
        Peer::OtherUser(uid) => Err(format!("user {uid} listens there, and not the own user")),
        Peer::UnknownOnLoopback => Err("the system does not tell which user listens there".to_owned()),
        Peer::Remote => Err("it is on another machine, and the connection is not encrypted".to_owned()),
    }
}
