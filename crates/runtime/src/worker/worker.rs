//! A worker process, and the host's ends of its pipes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Resource, Signal, getrlimit, pidfd_send_signal};
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::worker::async_fd::register;
use crate::worker::data_link::DataLink;
use crate::worker::output_pipe::OutputPipe;
use crate::worker::proc_stat::ProcStat;
use crate::worker::process_group::{ProcessMark, interrupt, others};
use crate::worker::process_tree::{ProcessTree, new_mark};
use crate::worker::resource_usage::Sampler;
use crate::worker::shared_page::SharedPage;
use crate::worker::zygote::{Death, ForkRequest, Forked, Zygote};
use crate::worker::zygote_error::ZygoteError;

/// What interrupts a worker: a signal of the host's own, since SIGINT is the user's. `_interrupts.py` says why this one.
// SAFETY: it is a signal of Linux, and above those that C libraries keep for themselves; it is only sent, and to another
// process, which handles it. rustix has names for the classic signals only.
const INTERRUPT: Signal = unsafe { Signal::from_raw_unchecked(50) };

/// When the signal is sent again, after that twice as long each time, until that would be as long as the last.
const FIRST_REPEAT: Duration = Duration::from_millis(10);
const LAST_REPEAT: Duration = Duration::from_secs(1);

/// A worker process.
#[derive(Debug)]
pub(crate) struct Worker {
    pid: Pid,
    processes: ProcessTree,
    zygote: i32,
    pidfd: AsyncFd<OwnedFd>,
    /// A pipe's write end, which no other process has: the kernel kills the worker when it closes. Of its own, since code can write to
    /// the pipe by way of its other end, which kills as well.
    _lifeline: Option<OwnedFd>,
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
    /// Forks a worker for a session.
    pub(crate) async fn fork(zygote: &Zygote, request: &ForkRequest<'_>) -> Result<WorkerEnds, ZygoteError> {
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
        let (lifeline, held) = pipe_pair().map_err(failed)?;
        check_reserve(&held).map_err(failed)?;
        let theirs = [&link_in, &link_out, &host_in, &host_out, &stdout_write, &stderr_write].map(AsFd::as_fd);
        let [a, b, c, d, e, f] = theirs;
        let theirs = [a, b, c, d, e, f, slots.memory(), data_theirs.as_fd(), lifeline.as_fd()];
        let mark = new_mark();
        let Forked { pid, pidfd, death } = zygote.fork(request, mark, theirs).await?;
        let pid = Pid::from_raw(pid).ok_or(ZygoteError::Exited)?;
        Ok(WorkerEnds {
            worker: Worker { _lifeline: Some(held), ..Worker::of(pid, mark, zygote.pid(), pidfd).map_err(failed)? },
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

    pub(super) fn of(pid: Pid, mark: u64, zygote: i32, pidfd: OwnedFd) -> io::Result<Worker> {
        let processes = ProcessTree::new(pid, mark);
        Ok(Worker { pid, processes, zygote, pidfd: register(pidfd)?, _lifeline: None })
    }

    pub(super) fn process(&self) -> Pid {
        self.pid
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Interrupts the running request if it is cancelled in the shared page; does nothing otherwise. The other processes of the
    /// worker's group are interrupted too; where there is a mark, those that began after it.
    pub(crate) fn interrupt(self: &Arc<Worker>, page: Arc<SharedPage>, since: Option<ProcessMark>) {
        let (worker, until) = (self.clone(), ProcessMark::now());
        page.set_interrupt();
        self.send_interrupt();
        tokio::spawn(self.clone().repeat_interrupt(page));
        // The worker first: it knows of its interrupt by the time that what it waits for has ended.
        tokio::task::spawn_blocking(move || {
            let others = others(worker.pid, since, until);
            // A group's id is that of its leader, and not given anew before the leader has ended.
            if !worker.has_ended() {
                interrupt(&others);
            }
        });
    }

    /// Sends the signal again until the interrupt is taken, for a second. Python looks for signals between two instructions: one that
    /// comes as an instruction begins to wait, as that of `time.sleep` does, would be seen when the wait is over.
    async fn repeat_interrupt(self: Arc<Worker>, page: Arc<SharedPage>) {
        let mut pause = FIRST_REPEAT;
        while pause < LAST_REPEAT {
            sleep(pause).await;
            if !page.has_interrupt() || page.is_idle() || self.has_ended() {
                return;
            }
            self.send_interrupt();
            pause *= 2;
        }
    }

    /// Sends the signal with which a worker looks at the shared page.
    pub(crate) fn send_interrupt(&self) {
        let _ = pidfd_send_signal(self.pidfd.get_ref(), INTERRUPT);
    }

    /// Makes its fault handler write the stacks of all threads behind the shared page.
    pub(crate) fn request_stack_dump(&self) {
        // A signal that neither the kernel nor any other program sends; `_worker.py` registers it.
        let _ = pidfd_send_signal(self.pidfd.get_ref(), Signal::STKFLT);
    }

    /// Whether it is stopped, by a signal or a debugger.
    pub(crate) fn is_stopped(&self) -> bool {
        ProcStat::read(self.pid()).is_some_and(|stat| stat.is_stopped())
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
        let processes = self.processes;
        match self.pidfd.get_ref().try_clone() {
            Ok(pidfd) => {
                tokio::task::spawn_blocking(move || processes.kill(&pidfd));
            }
            // Out of descriptors: its descendants are killed once it has ended.
            Err(_) => {
                let _ = pidfd_send_signal(self.pidfd.get_ref(), Signal::KILL);
            }
        }
    }

    /// Kills what it left behind, once it has ended; `reported` says whether its zygote has told so, which does the same for what it
    /// finds.
    pub(crate) fn kill_orphans(&self, reported: bool) {
        let processes = self.processes;
        tokio::task::spawn_blocking(move || processes.kill_orphans(reported));
    }

    /// What measures it and all that it started.
    pub(crate) fn sampler(&self) -> Sampler {
        Sampler::new(self.processes, self.zygote)
    }
}

/// Fails where no more than a reserve of descriptors is left: with them a host of many sessions still serves its clients, who can end
/// some. The lowest free number is given first, so a high one means that those below are taken.
fn check_reserve(newest: &OwnedFd) -> io::Result<()> {
    const RESERVE: u64 = 64;
    let Some(limit) = getrlimit(Resource::Nofile).current else { return Ok(()) };
    let reserve = RESERVE.min(limit / 4);
    match u64::from(newest.as_raw_fd().unsigned_abs()) + reserve < limit {
        true => Ok(()),
        false => Err(Errno::MFILE.into()),
    }
}

fn pipe_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use rustix::process::{PidfdFlags, pidfd_open};

    use super::*;

    /// The first signal is lost to Python where an instruction begins to wait just then.
    #[tokio::test]
    async fn an_interrupt_is_repeated_until_it_is_taken() {
        // Written at once: another signal may come while `print` is at work, which then raises.
        let counts = "import os, signal\nsignal.signal(50, lambda *_: os.write(1, b'signal\\n'))\nos.write(1, b'on\\n')\nwhile True: signal.pause()";
        let mut child = Command::new("python3").args(["-c", counts]).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        assert_eq!(lines.next().as_deref(), Some("on"));
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("it runs");
        let worker = Arc::new(Worker::of(pid, 1, 1, pidfd).expect("it is registered"));
        let page = Arc::new(SharedPage::new().expect("there is memory"));
        worker.interrupt(page.clone(), None);
        let read = tokio::task::spawn_blocking(move || lines.take(3).count());
        assert_eq!(read.await.expect("it is read"), 3);
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
}
