//! A port that stays a test's own while nobody listens at it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpSocket;

/// A port of loopback, held by sockets that do not listen: the system gives it to no other program, connections to
/// it are refused, and a program that asks for this very port can listen on it.
pub struct Port {
    pub number: u16,
    held: Vec<TcpSocket>,
}

impl Port {
    /// One that is free on every address of loopback that the machine has.
    pub fn new() -> Port {
        loop {
            let four = bound(Ipv4Addr::LOCALHOST.into(), 0).expect("a port");
            let number = four.local_addr().expect("an address").port();
            let no_six = bound(Ipv6Addr::LOCALHOST.into(), 0).is_err();
            match bound(Ipv6Addr::LOCALHOST.into(), number) {
                Ok(six) => return Port { number, held: vec![four, six] },
                Err(_) if no_six => return Port { number, held: vec![four] },
                Err(_) => {}
            }
        }
    }

    /// Returns when nobody listens there. A server that is gone can leave its socket to a process that another test is
    /// starting just now, which has a copy of every descriptor for a moment.
    pub fn free(&self) {
        let addresses = self.held.iter().map(|held| held.local_addr().expect("an address"));
        for address in addresses {
            while bound(address.ip(), address.port()).is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// A socket that does not listen. That fails where another one does.
fn bound(ip: IpAddr, port: u16) -> std::io::Result<TcpSocket> {
    let socket = if ip.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(ip, port))?;
    Ok(socket)
}
