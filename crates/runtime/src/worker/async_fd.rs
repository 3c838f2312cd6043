//! Waiting for descriptors.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the runtime.
pub(super) fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` stands for one open descriptor, the same as long as it lives, and `AsyncFd` drops it only
    // after it is deregistered.
    Ok(unsafe { AsyncFd::register(fd) }?)
}
