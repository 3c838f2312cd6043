//! Descriptors of processes, which mean one process only, whatever becomes of its id.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// `pidfd_open` is not allowed, or the kernel is older than it.
#[derive(Debug, thiserror::Error)]
#[error("the system call pidfd_open is refused")]
pub struct NoPidfd(#[source] io::Error);

impl NoPidfd {
    /// Whether that is why an operation failed.
    pub fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<NoPidfd>())
    }
}

/// Opens a descriptor of a process.
pub fn open_pidfd(pid: Pid) -> io::Result<OwnedFd> {
    pidfd_open(pid, PidfdFlags::empty()).map_err(|error| match error {
        Errno::PERM | Errno::ACCESS | Errno::NOSYS => io::Error::new(io::ErrorKind::Unsupported, NoPidfd(error.into())),
        other => other.into(),
    })
}
