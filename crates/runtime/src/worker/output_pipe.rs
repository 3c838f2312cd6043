//! What a worker writes to standard output and error.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;
use tokio::io::unix::AsyncFd;

use crate::worker::async_fd::register;

/// The read end of a worker's standard output or error.
#[derive(Debug)]
pub(crate) struct OutputPipe {
    fd: AsyncFd<OwnedFd>,
    /// All writers were seen to be gone; unread bytes may be left.
    hung_up: AtomicBool,
    closed: AtomicBool,
}

impl OutputPipe {
    pub(super) fn new(fd: OwnedFd) -> io::Result<OutputPipe> {
        rustix::fs::fcntl_setfl(&fd, rustix::fs::fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        Ok(OutputPipe { fd: register(fd)?, hung_up: AtomicBool::new(false), closed: AtomicBool::new(false) })
    }

    /// Whether everything was read and no writer is left.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Returns when there is something to read or no writer is left; never again after [`OutputPipe::is_closed`].
    pub(crate) async fn readable(&self) {
        if self.is_closed() {
            return std::future::pending().await;
        }
        if let Ok(mut ready) = self.fd.readable().await {
            if ready.ready().is_read_closed() {
                self.hung_up.store(true, Ordering::Relaxed);
            }
            // `drain` reads until nothing is left, so the next wait may sleep until more arrives.
            ready.clear_ready();
        }
    }

    /// Reads what is in the pipe now, and passes it to `take` with its owner.
    ///
    /// Asks the kernel, not the runtime's readiness: output written before an answer must be seen with it. `owner` is called
    /// while there are unread bytes, and only those are read then: a worker that waits for them to be read cannot add
    /// bytes of its next request. One call reads a bounded amount, so that a worker that keeps printing blocks no one.
    pub(crate) fn drain<T>(&self, owner: impl Fn() -> T, mut take: impl FnMut(T, &[u8])) -> Drained {
        let mut buffer = [MaybeUninit::uninit(); 65536]; // zeroing it would cost more than an empty read
        for _ in 0..16 {
            let there = match rustix::io::ioctl_fionread(self.fd.get_ref()) {
                Ok(0) if !self.hung_up.load(Ordering::Relaxed) => return Drained::Empty,
                Ok(count) => usize::try_from(count).unwrap_or(usize::MAX).clamp(1, buffer.len()),
                Err(_) => return self.close(),
            };
            let owner = owner();
            match rustix::io::read(self.fd.get_ref(), &mut buffer[..there]) {
                Ok(([], _)) => return self.close(),
                Ok((bytes, _)) => take(owner, bytes),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Drained::Empty,
                Err(_) => return self.close(),
            }
        }
        Drained::More
    }

    fn close(&self) -> Drained {
        self.closed.store(true, Ordering::Relaxed);
        Drained::Closed
    }
}

/// How far a pipe was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// The pipe is empty.
    Empty,
    /// More is left.
    More,
    /// The end: no writer is left.
    Closed,
}
