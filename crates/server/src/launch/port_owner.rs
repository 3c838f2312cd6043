//! Which process listens at a port.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::launch::process::command_line;

/// The process that listens at an address, as far as it can be seen: processes of other users hide their sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortOwner {
    /// The process.
    pub pid: Option<u32>,
    /// Its command line.
    pub command: Option<String>,
    /// Its user.
    pub uid: Option<u32>,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, &self.command, self.uid) {
            (Some(pid), Some(command), _) => write!(f, "process {pid} ({command})"),
            (Some(pid), None, _) => write!(f, "process {pid}"),
            (None, _, Some(uid)) => write!(f, "a process of user {uid}"),
            (None, _, None) => f.write_str("another process"),
        }
    }
}

/// Finds the process that listens at `address`, or at its port on all addresses.
pub(super) fn owner_of(address: SocketAddr) -> PortOwner {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let listener = tables.iter().find_map(|table| {
        let table = fs::read_to_string(table).ok()?;
        table.lines().skip(1).filter_map(Listener::parse).find(|listener| listener.covers(address))
    });
    let Some(listener) = listener else { return PortOwner::default() };
    let pid = process_with_socket(listener.inode);
    PortOwner { pid, command: pid.and_then(command_line), uid: Some(listener.uid) }
}

/// A listening socket as `/proc/net/tcp` and `tcp6` show it.
#[derive(Debug, PartialEq, Eq)]
struct Listener {
    address: SocketAddr,
    uid: u32,
    inode: u64,
}

impl Listener {
    /// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`
    fn parse(line: &str) -> Option<Listener> {
        const LISTEN: &str = "0A";
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        (*fields.get(3)? == LISTEN).then_some(())?;
        Some(Listener {
            address: parse_address(fields[1])?,
            uid: fields.get(7)?.parse().ok()?,
            inode: fields.get(9)?.parse().ok()?,
        })
    }

    fn covers(&self, wanted: SocketAddr) -> bool {
        let ip = self.address.ip().to_canonical();
        self.address.port() == wanted.port() && (ip == wanted.ip().to_canonical() || ip.is_unspecified())
    }
}

/// `0100007F:162E`: words of the address as the machine orders their bytes, then the port as a number.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let words = (0..address.len()).step_by(8).map(|at| {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

fn process_with_socket(inode: u64) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let holds = |fd: fs::DirEntry| fs::read_link(fd.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str());
        fs::read_dir(entry.path().join("fd")).ok()?.flatten().any(holds).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn lines_of_the_table_are_read() {
        let line =
            "  0: 0100007F:162E 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 24680 1 0 100";
        let listener = Listener::parse(line).unwrap();
        assert_eq!(listener, Listener { address: "127.0.0.1:5678".parse().unwrap(), uid: 1000, inode: 24680 });
        assert!(listener.covers("127.0.0.1:5678".parse().unwrap()));
        assert!(!listener.covers("127.0.0.1:5679".parse().unwrap()));
        assert!(!listener.covers("[::1]:5678".parse().unwrap()));
        let connected = line.replace(" 0A ", " 01 ");
        assert_eq!(Listener::parse(&connected), None);
        let six = line.replace("0100007F", "00000000000000000000000001000000");
        assert_eq!(Listener::parse(&six).unwrap().address, "[::1]:5678".parse().unwrap());
        for wrong in ["", "x", "0: 0100007F 0 0A", "0: zz:1 0 0A 0 0 0 1 0 1", "0: 01:1 0 0A 0 0 0 1 0 1"] {
            assert_eq!(Listener::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn our_own_listener_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = owner_of(listener.local_addr().unwrap());
        assert_eq!(holder.pid, Some(std::process::id()));
        assert!(holder.to_string().starts_with(&format!("process {} (", std::process::id())), "{holder}");
    }

    #[test]
    fn what_cannot_be_seen_is_said_so() {
        let user = PortOwner { uid: Some(7), ..PortOwner::default() };
        assert_eq!(user.to_string(), "a process of user 7");
        assert_eq!(PortOwner::default().to_string(), "another process");
    }
}
