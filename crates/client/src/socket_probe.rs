//! The state of an idle connection's socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{RecvFlags, recv};
use tokio::runtime::{Handle, Id};

/// A second descriptor of a connection's socket, to ask the kernel for the socket's state. The reactor's knowledge may be
/// stale: it does not poll between calls.
pub(crate) struct SocketProbe {
    socket: OwnedFd,
    /// The tokio runtime whose reactor has the socket; no other runtime can wait for it.
    runtime: Id,
}

/// What the peer has done since the last exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerState {
    /// Nothing: the connection is open and has no data.
    Quiet,
    /// It sent data that is not read yet.
    Readable,
    /// It closed the connection, or the connection broke.
    Closed,
}

impl SocketProbe {
    /// A probe of a socket of the current tokio runtime.
    pub(crate) fn new(socket: &impl AsFd) -> io::Result<SocketProbe> {
        Ok(SocketProbe { socket: socket.as_fd().try_clone_to_owned()?, runtime: Handle::current().id() })
    }

    /// Whether the connection belongs to the current tokio runtime.
    pub(crate) fn same_runtime(&self) -> bool {
        self.runtime == Handle::current().id()
    }

    pub(crate) fn peer_state(&self) -> PeerState {
        match recv(&self.socket, &mut [0u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) => PeerState::Closed,
            Ok(_) => PeerState::Readable,
            Err(rustix::io::Errno::WOULDBLOCK) => PeerState::Quiet,
            Err(_) => PeerState::Closed,
        }
    }
}
