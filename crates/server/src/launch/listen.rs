//! Binding the sockets of a server: on loopback, or where it was told to listen, with the same port on all addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};

use crate::accept::BACKLOG;
use beep_python_protocol::quoted;

use crate::launch::port_owner::{PortOwner, owner_of};

/// Why the sockets cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Other machines could reach it, and it speaks no TLS.
    #[error("{} is no loopback address, and without TLS an eavesdropper could run code: it is refused", quoted(host))]
    NeedsTls {
        /// The host that was asked for.
        host: String,
    },
    /// The host is no address or name of one.
    #[error("{} is no address to listen at", quoted(host))]
    NoAddress {
        /// The host that was asked for.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// Another process listens there.
    #[error("port {} on {} is in use by {owner}", address.port(), address.ip())]
    PortInUse {
        /// Where.
        address: SocketAddr,
        /// The process, as far as it can be seen.
        owner: PortOwner,
    },
    /// No port is free on both loopback addresses.
    #[error("no port was found that is free on both 127.0.0.1 and ::1")]
    NoFreePort,
    /// The system gives no sockets of the Internet protocol.
    #[error("cannot listen on {address}: this place allows no sockets of the Internet protocol (IP)")]
    NoIp {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system refused.
    #[error("cannot listen on {address}")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

const FOUR: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SIX: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Listens on `port` of these hosts, which are addresses, names of this machine, or `localhost`. That, and without any, is both
/// 127.0.0.1 and ::1, so that no other process can listen where a client tries first; without IPv6, 127.0.0.1 alone. Port 0 takes one
/// that is free on all. Hosts that other machines reach are refused unless `remote`.
pub fn bind(hosts: &[String], port: u16, remote: bool) -> Result<Vec<TcpListener>, BindError> {
    let mut ips = if hosts.is_empty() { vec![FOUR, SIX] } else { Vec::new() };
    for host in hosts {
        let found = addresses_of(host)?;
        if !remote && !found.iter().all(IpAddr::is_loopback) {
            return Err(BindError::NeedsTls { host: host.clone() });
        }
        ips.extend(found);
    }
    // All addresses of IPv6 are those of IPv4, too.
    if ips.contains(&Ipv6Addr::UNSPECIFIED.into()) {
        ips.retain(|ip| ip.is_ipv6());
    }
    let mut each: Vec<IpAddr> = Vec::new();
    ips.into_iter().for_each(|ip| each.extend((!each.contains(&ip)).then_some(ip)));
    bind_all(&each, port)
}

/// Refuses sockets that other machines can reach, unless `remote`: systemd, say, may have bound them.
pub(crate) fn check_inherited<'a>(
    listeners: impl IntoIterator<Item = &'a TcpListener>,
    remote: bool,
) -> Result<(), BindError> {
    let ips = listeners.into_iter().filter_map(|listener| Some(listener.local_addr().ok()?.ip()));
    match ips.into_iter().find(|ip| !remote && !ip.to_canonical().is_loopback()) {
        Some(ip) => Err(BindError::NeedsTls { host: ip.to_string() }),
        None => Ok(()),
    }
}

fn addresses_of(host: &str) -> Result<Vec<IpAddr>, BindError> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![FOUR, SIX]);
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![ip]);
    }
    let found = (host, 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect());
    found.map_err(|source| BindError::NoAddress { host: host.into(), source })
}

fn bind_all(ips: &[IpAddr], port: u16) -> Result<Vec<TcpListener>, BindError> {
    const TRIES: usize = 50;
    let mut taken = Vec::new(); // held, so that the system does not offer the same port again
    for _ in 0..TRIES {
        match bind_once(ips, port)? {
            Bound::All(listeners) => return Ok(listeners),
            Bound::OnlyFirst(listener) => taken.push(listener),
        }
    }
    Err(BindError::NoFreePort)
}

enum Bound {
    All(Vec<TcpListener>),
    /// The system chose a port that is free on the first address only.
    OnlyFirst(TcpListener),
}

fn bind_once(ips: &[IpAddr], port: u16) -> Result<Bound, BindError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for &ip in ips {
        let chosen = listeners.first().and_then(|first| first.local_addr().ok());
        let address = SocketAddr::new(ip, chosen.map_or(port, |first| first.port()));
        match TcpListener::bind(address) {
            Ok(listener) => {
                let longer = rustix::net::listen(&listener, BACKLOG);
                longer.map_err(|error| BindError::Refused { address, source: error.into() })?;
                listeners.push(listener);
            }
            Err(error)
                if is(&error, &[Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL]) && ip == SIX && !listeners.is_empty() => {}
            Err(error) if is(&error, &[Errno::ADDRINUSE]) => match listeners.pop() {
                Some(first) if port == 0 => return Ok(Bound::OnlyFirst(first)),
                _ => return Err(BindError::PortInUse { address, owner: owner_of(address) }),
            },
            Err(source) => return Err(refused(address, source)),
        }
    }
    Ok(Bound::All(listeners))
}

/// Tells a sandbox that allows no such socket at all from an address that cannot be had.
fn refused(address: SocketAddr, source: io::Error) -> BindError {
    match rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None) {
        // Out of descriptors, of memory: that is another matter.
        Err(Errno::ACCESS | Errno::PERM | Errno::AFNOSUPPORT) => BindError::NoIp { address, source },
        _ => BindError::Refused { address, source },
    }
}

fn is(error: &io::Error, any_of: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| any_of.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
        listeners.iter().map(|listener| listener.local_addr().unwrap()).collect()
    }

    fn bind_one(host: &str) -> Result<Vec<TcpListener>, BindError> {
        bind(&[host.to_owned()], 0, false)
    }

    fn has_ipv6() -> bool {
        TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
    }

    #[test]
    fn both_loopbacks_get_the_same_port() {
        for hosts in [vec![], vec!["localhost".to_owned()], vec!["LOCALHOST".to_owned()]] {
            let listeners = bind(&hosts, 0, false).unwrap();
            let addresses = addresses(&listeners);
            assert_eq!(addresses[0].ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
            if has_ipv6() {
                assert_eq!(addresses[1], SocketAddr::new(Ipv6Addr::LOCALHOST.into(), addresses[0].port()));
                assert_eq!(addresses.len(), 2);
            }
        }
    }

    #[test]
    fn an_address_by_itself_is_bound_by_itself() {
        assert_eq!(addresses(&bind_one("127.0.0.1").unwrap()).len(), 1);
        assert_eq!(addresses(&bind_one("127.1.2.3").unwrap())[0].ip(), IpAddr::from([127, 1, 2, 3]));
        if has_ipv6() {
            assert_eq!(addresses(&bind_one("[::1]").unwrap())[0].ip(), IpAddr::V6(Ipv6Addr::LOCALHOST));
        }
    }

    #[test]
    fn a_network_address_is_refused_unless_that_is_meant() {
        for host in ["0.0.0.0", "::", "192.0.2.1", "[2001:db8::1]"] {
            assert!(matches!(bind_one(host), Err(BindError::NeedsTls { .. })), "{host}");
        }
        assert_eq!(addresses(&bind(&["0.0.0.0".to_owned()], 0, true).unwrap())[0].ip(), IpAddr::from([0, 0, 0, 0]));
        if has_ipv6() {
            let both = bind(&["0.0.0.0".to_owned(), "::".to_owned()], 0, true).unwrap();
            assert_eq!(addresses(&both).len(), 1, "one socket is for both families");
        }
        for host in ["", "127.0.0.1:80", "[::1"] {
            assert!(matches!(bind_one(host), Err(BindError::NoAddress { .. })), "{host}");
        }
        // An address that this machine has not is not left out in silence.
        let missing = bind(&["127.0.0.1".to_owned(), "198.51.100.1".to_owned()], 0, true);
        assert!(matches!(missing, Err(BindError::Refused { .. })), "{missing:?}");
    }

    #[test]
    fn inherited_sockets_of_the_network_are_refused_unless_that_is_meant() {
        let loopback = TcpListener::bind("127.0.0.1:0").unwrap();
        let network = TcpListener::bind("0.0.0.0:0").unwrap();
        assert!(check_inherited([&loopback], false).is_ok());
        assert!(
            matches!(check_inherited([&loopback, &network], false), Err(BindError::NeedsTls { host }) if host == "0.0.0.0")
        );
        assert!(check_inherited([&loopback, &network], true).is_ok());
    }

    #[test]
    fn several_hosts_have_the_same_port() {
        let hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.1"].map(str::to_owned);
        let bound = addresses(&bind(&hosts, 0, false).unwrap());
        assert_eq!(bound.len(), 2);
        assert_eq!(bound[0].port(), bound[1].port());
    }

    #[test]
    fn a_port_in_use_names_its_holder() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let error = bind(&[], address.port(), false).unwrap_err();
        let expected = format!("port {} on 127.0.0.1 is in use by process {} (", address.port(), std::process::id());
        assert!(error.to_string().starts_with(&expected), "{error}");
    }

    #[test]
    fn a_port_that_is_taken_on_the_other_loopback_is_refused() {
        if !has_ipv6() {
            return eprintln!("skipped: no IPv6 here");
        }
        // Any program's connection may hold the same port of the other address; it will not hold twenty.
        let refused_whole = || {
            let held = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
            let port = held.local_addr().unwrap().port();
            let error = bind(&[], port, false).unwrap_err();
            matches!(&error, BindError::PortInUse { address, .. } if address.is_ipv6())
                && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        };
        assert!((0..20).any(|_| refused_whole()), "the held address is named, and nothing of the attempt stays bound");
    }
}
