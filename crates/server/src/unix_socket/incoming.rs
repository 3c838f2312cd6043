//! What comes from a client: bytes, descriptors, its end.

use std::io;
use std::os::fd::OwnedFd;

use beep_python_memory::receive;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use crate::metrics::server_metrics::received;
use crate::unix_socket::readiness::when_readable;

/// How much is read at once, of lines and of data.
const READ_BYTES: usize = 16 << 10;
const READ_BYTES_OF_DATA: usize = 256 << 10;

/// What one read gave, beside the bytes in the buffer.
pub(super) struct Incoming {
    pub(super) bytes: usize,
    pub(super) descriptors: Vec<OwnedFd>,
    pub(super) truncated: bool,
}

/// Reads once, when there is something; more at once where it is data.
pub(super) async fn read(socket: &UnixStream, buffer: &mut Vec<u8>, is_data: bool) -> io::Result<Incoming> {
    let room = if is_data { READ_BYTES_OF_DATA } else { READ_BYTES };
    if buffer.len() != room {
        *buffer = vec![0; room];
    }
    let mut descriptors = Vec::new();
    let read = when_readable(socket, || receive(socket, buffer, &mut descriptors)).await?;
    received(read.bytes);
    Ok(Incoming { bytes: read.bytes, descriptors, truncated: read.truncated })
}

pub(super) fn watch_hangup(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` stands for one open descriptor, the same as long as it lives, and `AsyncFd` drops it only
    // after it is deregistered.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::PRIORITY) }?)
}

/// Returns when the client has closed its socket, which is more than having sent all that it has to send.
pub(super) async fn hung_up(socket: Option<&AsyncFd<OwnedFd>>) {
    match socket {
        // Only a hang-up can wake it: a socket of this kind has no urgent data.
        Some(socket) => drop(socket.ready(Interest::PRIORITY).await),
        None => std::future::pending().await,
    }
}
