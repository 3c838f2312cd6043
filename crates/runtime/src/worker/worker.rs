//! A worker process, and the host's ends of its pipes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, pidfd_send_signal};
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::worker::async_fd::register;
use crate::worker::data_link::DataLink;
use crate::worker::output_pipe::OutputPipe;
use crate::worker::process_tree::{kill_orphans, kill_tree};
use crate::worker::shared_page::SharedPage;
use crate::worker::zygote::{Death, Forked, Zygote};
use crate::worker::zygote_error::ZygoteError;

/// What interrupts a worker: a signal of the host's own, since SIGINT is the user's. `_interrupts.py` says why this one.
// SAFETY: it is a signal of Linux, and above those that C libraries keep for themselves; it is only sent, and to another
// process, which handles it. rustix has names for the classic signals only.
const INTERRUPT: Signal = unsafe { Signal::from_raw_unchecked(50) };

/// A worker process.
#[derive(Debug)]
pub(crate) struct Worker {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
}

/// The host's ends of a new worker.
#[derive(Debug)]
pub(crate) struct WorkerEnds {
    /// The process.
    pub(crate) worker: Worker,
    /// Requests are written here.
    pub(crate) requests: pipe::Sender,
    /// Answers and events are read here.
    pub(crate) answers: pipe::Receiver,
    /// Its standard output.
    pub(crate) stdout: OutputPipe,
    /// Its standard error.
    pub(crate) stderr: OutputPipe,
    /// The shared page.
    pub(crate) slots: Arc<SharedPage>,
    /// The second pair of pipes: calls from Python to the host, and their answers.
    pub(crate) host: (pipe::Receiver, pipe::Sender),
    /// Memory, both ways.
    pub(crate) data: DataLink,
    /// How the worker ended, once it has; an error if the zygote ended first.
    pub(crate) death: oneshot::Receiver<Death>,
}

impl Worker {
    /// Forks a worker for a session. The tag and epoch go into its handle ids; `handles` limits how many it may hold.
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
        let (data, data_theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|error| failed(error.into()))?;
        let theirs = [&link_in, &link_out, &host_in, &host_out, &stdout_write, &stderr_write].map(AsFd::as_fd);
        let [a, b, c, d, e, f] = theirs;
        let theirs = [a, b, c, d, e, f, slots.memory(), data_theirs.as_fd()];
        let Forked { pid, pidfd, death } = zygote.fork(tag, epoch, handles, theirs).await?;
        let pid = Pid::from_raw(pid).ok_or(ZygoteError::Exited)?;
        Ok(WorkerEnds {
            worker: Worker::of(pid, pidfd).map_err(failed)?,
            requests: pipe::Sender::from_owned_fd(requests).map_err(failed)?,
            answers: pipe::Receiver::from_owned_fd(answers).map_err(failed)?,
            host: (
                pipe::Receiver::from_owned_fd(host_calls).map_err(failed)?,
                pipe::Sender::from_owned_fd(host_answers).map_err(failed)?,
            ),
            stdout: OutputPipe::new(stdout).map_err(failed)?,
            stderr: OutputPipe::new(stderr).map_err(failed)?,
            slots,
            data: DataLink::new(data),
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

    /// Interrupts the running request if it is cancelled in the shared page; does nothing otherwise.
    pub(crate) fn interrupt(&self) {
        let _ = pidfd_send_signal(self.pidfd.get_ref(), INTERRUPT);
    }

    /// Makes its fault handler write the stacks of all threads behind the shared page.
    pub(crate) fn request_stack_dump(&self) {
        // A signal that neither the kernel nor any other program sends; `_worker.py` registers it.
        let _ = pidfd_send_signal(self.pidfd.get_ref(), Signal::STKFLT);
    }

    /// Whether the process has ended, and its pid may belong to another.
    pub(super) fn has_ended(&self) -> bool {
        let mut ended = [PollFd::new(self.pidfd.get_ref(), PollFlags::IN)];
        rustix::event::poll(&mut ended, Some(&Timespec::default())) != Ok(0)
    }

    /// Returns when the process has ended.
    pub(crate) async fn ended(&self) {
        // A pidfd stays readable, so the readiness is not cleared.
        let _ = self.pidfd.readable().await;
    }

    /// Kills it and everything it started, on a thread that may block.
    pub(crate) fn kill(&self) {
        let pid = self.pid;
        match self.pidfd.get_ref().try_clone() {
            Ok(pidfd) => {
                tokio::task::spawn_blocking(move || kill_tree(pid, &pidfd));
            }
            // Out of descriptors: its descendants are killed once it has ended.
            Err(_) => {
                let _ = pidfd_send_signal(self.pidfd.get_ref(), Signal::KILL);
            }
        }
    }

    /// Kills what it left in its process session, once it has ended.
    pub(crate) fn kill_orphans(&self) {
        let pid = self.pid;
        tokio::task::spawn_blocking(move || kill_orphans(pid));
    }
}

fn pipe_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}
