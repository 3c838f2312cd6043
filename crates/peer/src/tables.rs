//! The same from `/proc/net/tcp` and `/proc/net/tcp6`, where netlink cannot be asked.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;

/// A line of a table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
    uid: u32,
    /// 0 while no process holds the socket.
    inode: u64,
}

/// The user of the server at the `remote` end of a connection.
pub(crate) fn server_uid(local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let rows: Vec<Row> = tables.iter().flat_map(|table| table.lines().filter_map(row)).collect();
    held_by(&rows, local, remote)
}

fn held_by(rows: &[Row], local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let same = |a: SocketAddr, b: SocketAddr| a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical();
    let connection = rows.iter().find(|row| same(row.local, remote) && same(row.remote, local))?;
    match connection {
        Row { state: ESTABLISHED, inode: 0, .. } => {}
        Row { state: ESTABLISHED, uid, .. } => return Some(*uid),
        _ => return None,
    }
    // It waits to be accepted by the listener at this address, or else at all.
    let listeners =
        || rows.iter().filter(|row| row.state == LISTEN && row.inode != 0 && row.local.port() == remote.port());
    let exact = listeners().find(|row| same(row.local, remote));
    exact.or_else(|| listeners().find(|row| row.local.ip().is_unspecified())).map(|row| row.uid)
}

/// `0: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000  1000 0 4711 …`: addresses are words of the machine
/// in hexadecimal.
fn row(line: &str) -> Option<Row> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (address(words.next()?)?, address(words.next()?)?);
    let state = u8::from_str_radix(words.next()?, 16).ok()?;
    let uid = words.nth(3)?.parse().ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    Some(Row { local, remote, state, uid, inode })
}

fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "127.0.0.1:50000";
    const SERVER: &str = "127.0.0.1:8080";

    fn line(local: &str, remote: &str, state: u8, uid: u32, inode: u64) -> Row {
        Row { local: local.parse().unwrap(), remote: remote.parse().unwrap(), state, uid, inode }
    }

    fn uid(rows: &[Row]) -> Option<u32> {
        held_by(rows, CLIENT.parse().unwrap(), SERVER.parse().unwrap())
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_kernel_are_read() {
        let text = "   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 20 4 30 10 -1";
        assert_eq!(row(text), Some(line(SERVER, CLIENT, 1, 1000, 4711)));
        let text = "   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12";
        assert_eq!(row(text), Some(line("[::1]:8080", "[::]:0", 10, 0, 12)));
        for text in [
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
            "",
            "0: x:y",
        ] {
            assert_eq!(row(text), None);
        }
    }

    #[test]
    fn the_user_is_who_accepted_it_or_else_who_listens() {
        let all = || line("0.0.0.0:8080", "0.0.0.0:0", LISTEN, 7, 1);
        let exact = || line(SERVER, "0.0.0.0:0", LISTEN, 8, 2);
        let waiting = || line(SERVER, CLIENT, ESTABLISHED, 0, 0);
        assert_eq!(uid(&[all(), line("[::ffff:127.0.0.1]:8080", "[::ffff:127.0.0.1]:50000", 1, 9, 3)]), Some(9));
        assert_eq!(uid(&[all(), exact(), waiting()]), Some(8));
        assert_eq!(uid(&[line("[::]:8080", "[::]:0", LISTEN, 6, 4), waiting()]), Some(6));
        assert_eq!(uid(&[waiting()]), None);
        assert_eq!(uid(&[all(), exact()]), None, "there is no connection");
        assert_eq!(uid(&[exact(), line(SERVER, CLIENT, 6, 0, 0)]), None, "it is over");
    }
}
