//! The lifeline: a pipe whose write end only this process holds, so that the kernel notices its end, however it comes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

/// When the last copy of the write end closes, the kernel kills every zygote that watches the read end, as it does while it preloads.
/// Workers have lifelines of their own.
///
/// One serves all zygotes of a process. (A parent-death signal would fire when the *thread* that spawned ends.)
#[derive(Debug)]
pub(crate) struct Lifeline {
    read: OwnedFd,
    _write: OwnedFd,
}

impl Lifeline {
    /// Creates the pipe; both ends close on exec.
    pub(crate) fn new() -> io::Result<Lifeline> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok(Lifeline { read, _write: write })
    }

    /// The end that zygotes inherit.
    pub(crate) fn read_end(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}
