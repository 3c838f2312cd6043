//! One worker process and this host's ends of what connects to it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, pidfd_send_signal};
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::worker::async_fd::register;
use crate::worker::process_tree::{kill_orphans, kill_tree};
use crate::worker::shared_page::SharedPage;
use crate::worker::zygote::{Death, Forked, Zygote, ZygoteError};

/// A worker process.
#[derive(Debug)]
pub(crate) struct Worker {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
}

/// All ends of a fresh worker that stay with this host.
#[derive(Debug)]
pub(crate) struct WorkerEnds {
    /// The process.
    pub(crate) worker: Worker,
    /// Requests go in here.
    pub(crate) requests: pipe::Sender,
    /// Answers come out here.
    pub(crate) answers: pipe::Receiver,
    /// Its standard output.
    pub(crate) stdout: Output,
    /// Its standard error.
    pub(crate) stderr: Output,
    /// The shared page.
    pub(crate) slots: Arc<SharedPage>,
    /// The second pair of pipes: calls from Python to this host, and their answers.
    pub(crate) host: (pipe::Receiver, pipe::Sender),
    /// How it ended, once it has; an error when the zygote ended first.
    pub(crate) death: oneshot::Receiver<Death>,
}

impl Worker {
    /// A fresh worker for a session: its tag and epoch go into the ids of its handles, of which it may have so many.
    pub(crate) async fn fork(
        zygote: &Zygote,
        tag: &str,
        epoch: u64,
        handles: Option<u64>,
    ) -> Result<WorkerEnds, ZygoteError> {
        let failed = |source: io::Error| ZygoteError::Channel { what: "making a worker's pipes", source };
        let slots = Arc::new(SharedPage::new().map_err(failed)?);
        let (link_in, requests) = pipe_pair().map_err(failed)?;
        let (answers, link_out) = pipe_pair().map_err(failed)?;
        let (host_in, host_answers) = pipe_pair().map_err(failed)?;
        let (host_calls, host_out) = pipe_pair().map_err(failed)?;
        let (stdout, stdout_write) = pipe_pair().map_err(failed)?;
        let (stderr, stderr_write) = pipe_pair().map_err(failed)?;
        let theirs = [&link_in, &link_out, &host_in, &host_out, &stdout_write, &stderr_write].map(AsFd::as_fd);
        let [a, b, c, d, e, f] = theirs;
        let Forked { pid, pidfd, death } = zygote.fork(tag, epoch, handles, [a, b, c, d, e, f, slots.memory()]).await?;
        let pid = Pid::from_raw(pid).ok_or(ZygoteError::Exited)?;
        Ok(WorkerEnds {
            worker: Worker::of(pid, pidfd).map_err(failed)?,
            requests: pipe::Sender::from_owned_fd(requests).map_err(failed)?,
            answers: pipe::Receiver::from_owned_fd(answers).map_err(failed)?,
            host: (
                pipe::Receiver::from_owned_fd(host_calls).map_err(failed)?,
                pipe::Sender::from_owned_fd(host_answers).map_err(failed)?,
            ),
            stdout: Output::new(stdout).map_err(failed)?,
            stderr: Output::new(stderr).map_err(failed)?,
            slots,
            death,
        })
    }

    pub(super) fn of(pid: Pid, pidfd: OwnedFd) -> io::Result<Worker> {
        Ok(Worker { pid, pidfd: register(pidfd)? })
    }

    pub(super) fn process(&self) -> Pid {
        self.pid
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Stops the request that runs, if it is cancelled in the slots; changes nothing otherwise.
    pub(crate) fn interrupt(&self) {
        let _ = pidfd_send_signal(self.pidfd.get_ref(), rustix::process::Signal::INT);
    }

    /// Lets its fault handler write where its threads stand, behind the shared page.
    pub(crate) fn request_stack_dump(&self) {
        // The one signal that neither the kernel nor anybody else sends; `_worker.py` takes it.
        let _ = pidfd_send_signal(self.pidfd.get_ref(), rustix::process::Signal::STKFLT);
    }

    /// Whether the process has ended; its number may be another's then.
    pub(super) fn has_ended(&self) -> bool {
        let mut ended = [PollFd::new(self.pidfd.get_ref(), PollFlags::IN)];
        rustix::event::poll(&mut ended, Some(&Timespec::default())) != Ok(0)
    }

    /// Returns when the process has ended.
    pub(crate) async fn ended(&self) {
        // A pidfd that is readable stays so: the readiness is not cleared.
        let _ = self.pidfd.readable().await;
    }

    /// Ends it and all that it started, on a thread where waiting is allowed.
    pub(crate) fn kill(&self) {
        let pid = self.pid;
        match self.pidfd.get_ref().try_clone() {
            Ok(pidfd) => {
                tokio::task::spawn_blocking(move || kill_tree(pid, &pidfd));
            }
            // Out of descriptors: what it started is ended once it is gone.
            Err(_) => {
                let _ = pidfd_send_signal(self.pidfd.get_ref(), rustix::process::Signal::KILL);
            }
        }
    }

    /// Ends what it left in its process session, once it has ended itself.
    pub(crate) fn kill_orphans(&self) {
        let pid = self.pid;
        tokio::task::spawn_blocking(move || kill_orphans(pid));
    }
}

fn pipe_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// The read end of a worker's standard output or error.
#[derive(Debug)]
pub(crate) struct Output {
    fd: AsyncFd<OwnedFd>,
    /// The last writer was seen to be gone; there may be bytes left.
    hung_up: AtomicBool,
    closed: AtomicBool,
}

impl Output {
    fn new(fd: OwnedFd) -> io::Result<Output> {
        rustix::fs::fcntl_setfl(&fd, rustix::fs::fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        Ok(Output { fd: register(fd)?, hung_up: AtomicBool::new(false), closed: AtomicBool::new(false) })
    }

    /// Whether no writer is left.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Returns when there is something to read, or the last writer is gone; never, once that was seen.
    pub(crate) async fn readable(&self) {
        if self.is_closed() {
            return std::future::pending().await;
        }
        if let Ok(mut ready) = self.fd.readable().await {
            if ready.ready().is_read_closed() {
                self.hung_up.store(true, Ordering::Relaxed);
            }
            // `drain` reads until nothing is left, so that the next wait may sleep until more comes.
            ready.clear_ready();
        }
    }

    /// Hands out what can be read now, with what `whose` says of it.
    ///
    /// Asks the kernel, whatever the runtime's own notes say: output that was written before an answer must be seen
    /// with it. `whose` is asked while there are bytes, and no more than these are read then: a worker that is free to
    /// go on once they are read does not get into the account of them. What is read at once is bounded, so that a worker
    /// that prints without end holds nobody up.
    pub(crate) fn drain<T>(&self, whose: impl Fn() -> T, mut take: impl FnMut(T, &[u8])) -> Drained {
        let mut buffer = [MaybeUninit::uninit(); 65536]; // filling it with zeros would cost more than reading nothing
        for _ in 0..16 {
            let there = match rustix::io::ioctl_fionread(self.fd.get_ref()) {
                Ok(0) if !self.hung_up.load(Ordering::Relaxed) => return Drained::Empty,
                Ok(count) => usize::try_from(count).unwrap_or(usize::MAX).clamp(1, buffer.len()),
                Err(_) => return self.close(),
            };
            let owner = whose();
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

/// How far an output was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// To the end of what is there.
    Empty,
    /// Not to the end: there is more.
    More,
    /// To its very end: no writer is left.
    Closed,
}
