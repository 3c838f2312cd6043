//! Whose a connection is, as the log names it.

use std::fmt;
use std::net::IpAddr;

use super::Peer;

/// The other side of a connection: `192.0.2.7`, or `user 1001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Client {
    pub(crate) peer: Peer,
    /// Over TCP.
    pub(crate) address: Option<IpAddr>,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.peer, self.address) {
            // On this machine every program has the same address.
            (Peer::Remote, Some(address)) => address.to_canonical().fmt(f),
            (peer, _) => peer.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_named_by_their_address_and_users_by_their_number() {
        let client = |peer, address: &str| Client { peer, address: Some(address.parse().unwrap()) }.to_string();
        assert_eq!(client(Peer::Remote, "::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(client(Peer::Remote, "2001:db8::1"), "2001:db8::1");
        assert_eq!(client(Peer::OtherUser(1001), "127.0.0.1"), "user 1001");
        assert_eq!(Client { peer: Peer::SameUser, address: None }.to_string(), "this user");
    }
}
