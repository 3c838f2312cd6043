//! What the host has done to a connection while nobody looked.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{RecvFlags, recv};
use tokio::runtime::{Handle, Id};

/// A second descriptor of a connection's socket, to ask the system itself. What the reactor knows may be old: it has not
/// looked since somebody last waited.
pub(crate) struct SocketProbe {
    socket: OwnedFd,
    /// The tokio runtime whose reactor watches the socket; no other can wait for it.
    runtime: Id,
}

/// What the host has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerState {
    /// Nothing: the connection is open and silent.
    Quiet,
    /// It sent something that nobody has read yet.
    Readable,
    /// It closed the connection, or the connection broke.
    Closed,
}

impl SocketProbe {
    /// Of a socket that belongs to the current tokio runtime.
    pub(crate) fn new(socket: &impl AsFd) -> io::Result<SocketProbe> {
        Ok(SocketProbe { socket: socket.as_fd().try_clone_to_owned()?, runtime: Handle::current().id() })
    }

    /// Whether the current tokio runtime is the one that the connection belongs to.
    pub(crate) fn same_runtime(&self) -> bool {
        self.runtime == Handle::current().id()
    }

    pub(crate) fn look(&self) -> PeerState {
        match recv(&self.socket, &mut [0u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) => PeerState::Closed,
            Ok(_) => PeerState::Readable,
            Err(rustix::io::Errno::WOULDBLOCK) => PeerState::Quiet,
            Err(_) => PeerState::Closed,
        }
    }
}
