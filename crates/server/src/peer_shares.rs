//! How many places each peer has.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// One that has a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PeerKey {
    /// What connects over loopback, whose addresses are all for each program to choose.
    Loopback,
    /// Another machine, or in IPv6 a network of 64 bits, whose addresses are all one machine's to choose.
    Machine(IpAddr),
    /// A user of this machine.
    User(u32),
}

impl PeerKey {
    /// The peer at this address.
    pub(crate) fn of(ip: IpAddr) -> PeerKey {
        match ip.to_canonical() {
            ip if ip.is_loopback() => PeerKey::Loopback,
            IpAddr::V6(ip) => PeerKey::Machine(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into()),
            ip => PeerKey::Machine(ip),
        }
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerKey::Loopback => out.write_str("loopback"),
            PeerKey::Machine(IpAddr::V6(ip)) => write!(out, "the network {ip}/64"),
            PeerKey::Machine(ip) => write!(out, "{ip}"),
            PeerKey::User(uid) => write!(out, "user {uid}"),
        }
    }
}

/// How many places each has taken, of as many as one may have.
#[derive(Debug)]
pub(crate) struct PeerShares {
    most: usize,
    taken: Mutex<HashMap<PeerKey, usize>>,
}

/// A place of a peer, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: PeerKey,
    shares: Arc<PeerShares>,
}

impl PeerShares {
    /// So many places for each.
    pub(crate) fn new(most: usize) -> PeerShares {
        PeerShares { most, taken: Mutex::default() }
    }

    /// How many one may have.
    pub(crate) fn most_of_one(&self) -> usize {
        self.most
    }

    /// Whether no peer has one.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.taken.lock().is_empty()
    }

    /// A place of this peer; `None` where it has as many as it may.
    pub(crate) fn take(self: &Arc<PeerShares>, of: PeerKey) -> Option<Share> {
        let mut taken = self.taken.lock();
        let number = taken.entry(of).or_default();
        if *number >= self.most {
            return None;
        }
        *number += 1;
        drop(taken);
        Some(Share { of, shares: self.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken.lock();
        match taken.get_mut(&self.of) {
            Some(number) if *number > 1 => *number -= 1,
            _ => drop(taken.remove(&self.of)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_one_machine_may_choose_are_one_peer() {
        let of = |ip: &str| PeerKey::of(ip.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert!(
            ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"].into_iter().all(|ip| of(ip) == PeerKey::Loopback)
        );
        let named = ["127.0.0.1", "192.0.2.1", "2001:db8::7"].map(|ip| of(ip).to_string());
        assert_eq!(named, ["loopback", "192.0.2.1", "the network 2001:db8::/64"]);
    }
}
