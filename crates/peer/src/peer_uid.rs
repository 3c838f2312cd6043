//! Which user holds the other end of a TCP connection on this machine.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::tables;

/// The user at the other end of a connection, as far as the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerUid {
    /// The socket is open, and this user made it.
    Known(u32),
    /// The socket is not of this machine, is closed already, or the kernel would not tell. Never to be taken for any
    /// user: a socket that its owner has closed shows user 0.
    Unknown,
}

/// Asks the kernel which user holds the other end of the connection whose end here is `local` and there is `remote`.
///
/// One question over netlink (`sock_diag`) by the exact four addresses, some microseconds; it never waits.
pub fn peer_uid(local: SocketAddr, remote: SocketAddr) -> PeerUid {
    with_kernel(|kernel| ask(kernel, local, remote)).map_or(PeerUid::Unknown, PeerUid::Known)
}

/// Asks the kernel which user holds the server at the `remote` end of the connection whose end here is `local`.
///
/// A server that has not accepted the connection yet holds it by its listener. That one is asked for first: it owns what it has not
/// accepted, which ends with it.
pub fn server_uid(local: SocketAddr, remote: SocketAddr) -> PeerUid {
    let uid = with_kernel(|kernel| {
        let listener = find(kernel, local, remote, true).filter(|found| found.state == LISTEN && found.inode != 0);
        held_by(find(kernel, local, remote, false)?, listener)
    });
    // A sandbox may refuse netlink.
    uid.or_else(|| tables::server_uid(local, remote)).map_or(PeerUid::Unknown, PeerUid::Known)
}

/// Who holds a connection: the user that accepted it, else that of its listener.
fn held_by(connection: Found, listener: Option<Found>) -> Option<u32> {
    match connection {
        Found { state, uid, inode } if CONNECTED.contains(&state) && inode != 0 => Some(uid),
        Found { state, inode: 0, .. } if CONNECTED.contains(&state) => Some(listener?.uid),
        _ => None,
    }
}

/// Opens the socket of this thread, which asks the kernel, while there are descriptors: without one, users would not be known.
pub fn prepare() {
    with_kernel(|_| Some(()));
}

fn with_kernel<T>(ask: impl FnOnce(&OwnedFd) -> Option<T>) -> Option<T> {
    thread_local! {
        // One socket per thread for good: opening one costs more than the question. One that could not be opened is tried again.
        static KERNEL: RefCell<Option<OwnedFd>> = const { RefCell::new(None) };
    }
    KERNEL.with_borrow_mut(|kernel| {
        if kernel.is_none() {
            *kernel = open().ok();
        }
        ask(kernel.as_ref()?)
    })
}

// linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h; netlink speaks in the byte order of the machine, addresses and
// ports stand in network order.
const HEADER: usize = 16;
const SOCKET_ID: usize = 48;
const REQUEST: usize = HEADER + 8 + SOCKET_ID;
const ANSWER: usize = HEADER + 4 + SOCKET_ID + 20;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const ANY_COOKIE: [u8; 8] = [0xff; 8];
/// `TCP_ESTABLISHED`, `FIN_WAIT1`, `FIN_WAIT2`, `CLOSE_WAIT`, `LAST_ACK`, `CLOSING`: a connection that was made. Not
/// `LISTEN` or `SYN_SENT`, which can turn up under the same port once the client's socket is gone.
const CONNECTED: [u8; 6] = [1, 4, 5, 8, 9, 11];
const LISTEN: u8 = 10;

/// Ports and addresses of a socket and of its peer.
type Ends = [(u16, IpAddr); 2];

/// A socket, as the kernel tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    state: u8,
    uid: u32,
    /// 0 while no process holds it.
    inode: u32,
}

fn open() -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))
}

/// The user at the other end, while a process holds it.
fn ask(kernel: &OwnedFd, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let found = find(kernel, local, remote, false)?;
    (CONNECTED.contains(&found.state) && found.inode != 0).then_some(found.uid)
}

/// The other end of the connection, or the listener at the other end.
fn find(kernel: &OwnedFd, local: SocketAddr, remote: SocketAddr, listener: bool) -> Option<Found> {
    let (family, mut socket_id) = socket_id(local, remote)?;
    if listener {
        socket_id[2..4].fill(0);
        socket_id[20..36].fill(0);
    }
    let mut request = [0; REQUEST];
    request[0..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    request[HEADER] = family;
    request[HEADER + 1] = IPPROTO_TCP;
    request[HEADER + 4..HEADER + 8].copy_from_slice(&u32::MAX.to_ne_bytes()); // any state
    request[HEADER + 8..].copy_from_slice(&socket_id);
    discard_pending(kernel);
    rustix::net::sendto(kernel, &request, SendFlags::DONTWAIT, &SocketAddrNetlink::new(0, 0)).ok()?;

    // The kernel has put its answer in our queue when the sending returns.
    let mut answer = [0; 512];
    let (_, length, sender) = rustix::net::recvfrom(kernel, &mut answer, RecvFlags::DONTWAIT).ok()?;
    let from_kernel = SocketAddrNetlink::try_from(sender?).is_ok_and(|sender| sender.pid() == 0);
    let answer = answer.get(..length).filter(|_| from_kernel)?;
    match listener {
        false => read_answer(answer, local, remote),
        true => read(answer)
            .filter(|(source, _)| source.is_some_and(|[(port, _), _]| port == remote.port()))
            .map(|(_, found)| found),
    }
}

/// Empties the queue, so that whatever was left there by anybody is not taken for the answer.
fn discard_pending(kernel: &OwnedFd) {
    let mut rest = [0; 16];
    while rustix::net::recv(kernel, &mut rest, RecvFlags::DONTWAIT).is_ok() {}
}

/// `inet_diag_sockid` of the *other* end: its source is what we call remote.
fn socket_id(local: SocketAddr, remote: SocketAddr) -> Option<(u8, [u8; SOCKET_ID])> {
    let mut id = [0; SOCKET_ID];
    id[0..2].copy_from_slice(&remote.port().to_be_bytes());
    id[2..4].copy_from_slice(&local.port().to_be_bytes());
    // An IPv4 client of a socket that listens on both families shows a mapped address; the kernel knows it as IPv4.
    let family = match (remote.ip().to_canonical(), local.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            id[4..8].copy_from_slice(&source.octets());
            id[20..24].copy_from_slice(&destination.octets());
            AF_INET
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            id[4..20].copy_from_slice(&source.octets());
            id[20..36].copy_from_slice(&destination.octets());
            AF_INET6
        }
        _ => return None,
    };
    id[40..48].copy_from_slice(&ANY_COOKIE);
    Some((family, id))
}

/// The socket in an `inet_diag_msg`, if that tells of exactly the connection that was asked for.
fn read_answer(answer: &[u8], local: SocketAddr, remote: SocketAddr) -> Option<Found> {
    let asked = [&remote, &local].map(|end| (end.port(), end.ip().to_canonical()));
    let (ends, found) = read(answer)?;
    (ends == Some(asked)).then_some(found)
}

/// The ends of the socket in an `inet_diag_msg`, and what it tells of it.
fn read(answer: &[u8]) -> Option<(Option<Ends>, Found)> {
    let number = |at: usize| u32::from_ne_bytes(answer[at..at + 4].try_into().expect("four bytes"));
    if answer.len() < ANSWER || answer[4..6] != SOCK_DIAG_BY_FAMILY.to_ne_bytes() {
        return None;
    }
    let found = Found { state: answer[HEADER + 1], uid: number(HEADER + 64), inode: number(HEADER + 68) };
    Some((ends(answer[HEADER], &answer[HEADER + 4..][..SOCKET_ID]), found))
}

/// Source and destination in an `inet_diag_sockid` of this family.
///
/// A client's socket for both families, as gRPC's C library makes it, is one of IPv6 even where it is connected over IPv4: the
/// kernel finds it by the IPv4 addresses, and tells of mapped ones.
fn ends(family: u8, socket_id: &[u8]) -> Option<Ends> {
    let port = |at: usize| u16::from_be_bytes([socket_id[at], socket_id[at + 1]]);
    let address = |at: usize| {
        let bytes: [u8; 16] = socket_id[at..at + 16].try_into().ok()?;
        match family {
            AF_INET => Some(IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]])),
            AF_INET6 => Some(IpAddr::from(bytes).to_canonical()),
            _ => None,
        }
    };
    Some([(port(0), address(4)?), (port(2), address(20)?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "127.0.0.1:5678";
    const REMOTE: &str = "127.0.0.1:40000";

    fn asked() -> [u8; SOCKET_ID] {
        socket_id(LOCAL.parse().unwrap(), REMOTE.parse().unwrap()).unwrap().1
    }

    fn read(answer: &[u8]) -> Option<u32> {
        let found = read_answer(answer, LOCAL.parse().unwrap(), REMOTE.parse().unwrap())?;
        held_by(found, None)
    }

    fn answer(state: u8, uid: u32, inode: u32) -> Vec<u8> {
        let mut answer = vec![0; ANSWER];
        answer[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        (answer[HEADER], answer[HEADER + 1]) = (AF_INET, state);
        answer[HEADER + 4..][..SOCKET_ID].copy_from_slice(&asked());
        answer[HEADER + 64..][..4].copy_from_slice(&uid.to_ne_bytes());
        answer[HEADER + 68..][..4].copy_from_slice(&inode.to_ne_bytes());
        answer
    }

    #[test]
    fn an_open_connection_tells_its_user() {
        assert_eq!(read(&answer(1, 1000, 77)), Some(1000));
        assert_eq!(read(&answer(1, 0, 77)), Some(0));
    }

    #[test]
    fn a_socket_that_no_process_holds_tells_nothing() {
        assert_eq!(read(&answer(5, 0, 0)), None);
        assert_eq!(read(&answer(6, 0, 0)), None);
    }

    #[test]
    fn a_listener_or_a_connection_not_yet_made_is_not_the_peer() {
        for state in [2, 3, 6, 7, 10, 12] {
            assert_eq!(read(&answer(state, 1000, 77)), None, "state {state}");
        }
    }

    #[test]
    fn an_answer_about_other_addresses_tells_nothing() {
        for byte in [0, 2, 4, 20] {
            let mut other = answer(1, 1000, 77);
            other[HEADER + 4 + byte] ^= 1;
            assert_eq!(read(&other), None, "byte {byte} of the socket id");
        }
    }

    #[test]
    fn a_socket_for_both_families_is_known_by_its_mapped_addresses() {
        let mut mapped = answer(1, 1000, 77);
        mapped[HEADER] = AF_INET6;
        for at in [4, 20] {
            let address = &mut mapped[HEADER + 4 + at..][..16];
            address.fill(0);
            address[10..].copy_from_slice(&[0xff, 0xff, 127, 0, 0, 1]);
        }
        assert_eq!(read(&mapped), Some(1000));
        for byte in [0, 2, 4, 4 + 10, 4 + 15, 20] {
            let mut other = mapped.clone();
            other[HEADER + 4 + byte] ^= 1;
            assert_eq!(read(&other), None, "byte {byte} of the socket id");
        }
        mapped[HEADER] = 1;
        assert_eq!(read(&mapped), None, "of neither family");
    }

    #[test]
    fn a_connection_that_waits_to_be_accepted_is_its_listeners() {
        let listener = Some(Found { state: LISTEN, uid: 1000, inode: 7 });
        let waiting = Found { state: 1, uid: 0, inode: 0 };
        assert_eq!(held_by(waiting, listener), Some(1000));
        assert_eq!(held_by(waiting, None), None);
        assert_eq!(held_by(Found { uid: 1001, inode: 8, ..waiting }, listener), Some(1001), "that which accepted it");
        assert_eq!(held_by(Found { state: 6, ..waiting }, listener), None, "it is over");
    }

    #[test]
    fn errors_and_short_answers_tell_nothing() {
        let mut error = answer(1, 1000, 77);
        error[4..6].copy_from_slice(&2u16.to_ne_bytes());
        assert_eq!(read(&error), None);
        let whole = answer(1, 1000, 77);
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn mapped_addresses_are_asked_for_as_ipv4_and_mixed_ones_not_at_all() {
        let mapped = socket_id("[::ffff:127.0.0.1]:5678".parse().unwrap(), "[::ffff:127.0.0.1]:40000".parse().unwrap());
        assert_eq!(mapped, Some((AF_INET, asked())));
        assert_eq!(socket_id("[::1]:5678".parse().unwrap(), REMOTE.parse().unwrap()), None);
    }
}
