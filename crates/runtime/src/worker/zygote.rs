//! A zygote: the warm Python process of one environment, which forks workers.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, Signal, pidfd_send_signal};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};

use crate::platform::{open_pidfd, set_signals_anew, spawn_blocking};
use crate::worker::async_fd::register;
use crate::worker::control_socket::{DESCRIPTORS, receive, send};
use crate::worker::lifeline::Lifeline;
use crate::worker::package::{BOOT, PackageError, unpack};
use crate::worker::zygote_error::ZygoteError;
use crate::worker::zygote_message::{ZygoteHello, ZygoteMessage};
use crate::worker::zygote_variables::set_variables;

/// It is ignored under `nohup`, and stays so.
const HANGUP: i32 = rustix::process::Signal::HUP.as_raw();

/// The lines of standard error to keep for an error message.
const STDERR_LINES: usize = 20;

/// How to start a zygote.
#[derive(Clone, Debug)]
pub(crate) struct ZygoteConfig {
    /// The environment's interpreter, as a path within the environment (symlinks not resolved).
    pub(crate) python: PathBuf,
    /// The folder that holds the package `beep_python`.
    pub(crate) package: PathBuf,
    /// Modules to import once, for all workers.
    pub(crate) preload: Vec<String>,
    /// The working directory of the workers; by default this process's own.
    pub(crate) directory: Option<PathBuf>,
    /// Folders that modules are imported from, before the environment's own.
    pub(crate) python_path: Vec<PathBuf>,
    /// Variables that Python reads at its start, over those of this process; none removes one.
    pub(crate) variables: BTreeMap<String, Option<String>>,
    /// What workers read as descriptor 0; nothing where there is none.
    pub(crate) stdin: Option<Arc<OwnedFd>>,
    /// The time that the interpreter has to start and preload.
    pub(crate) ready_timeout: Duration,
}

/// How a worker ended, as reported by its parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    /// The status from `wait4`.
    pub(crate) status: i32,
    /// The largest resident size.
    pub(crate) peak_memory_bytes: u64,
}

/// A worker to fork.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForkRequest<'a> {
    /// It goes into handle ids, with the epoch.
    pub(crate) tag: &'a str,
    pub(crate) epoch: u64,
    /// How many handles it may hold.
    pub(crate) handles: Option<u64>,
    /// Whether the zygote must have what its environment holds now.
    pub(crate) check: bool,
}

/// A worker just forked.
#[derive(Debug)]
pub(super) struct Forked {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    /// How it ended, once it has; an error if the zygote ended first.
    pub(super) death: oneshot::Receiver<Death>,
}

/// A running zygote. Dropping it ends it with all its workers.
#[derive(Debug)]
pub(crate) struct Zygote {
    shared: Arc<Shared>,
    pid: u32,
    /// None where the system has no more descriptors.
    pidfd: Option<OwnedFd>,
    python: String,
    /// The folder of the Python side.
    package: PathBuf,
    /// Whether workers are spawned, not forked.
    spawns: bool,
    /// Whether descriptor 0 of its workers is given, and not at its end.
    has_stdin: bool,
    /// Closed once its process has ended and was waited for.
    running: watch::Receiver<()>,
}

#[derive(Debug)]
struct Shared {
    control: AsyncFd<OwnedFd>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    exited: bool,
    last_request: u64,
    /// Requests for workers, by number.
    pending: HashMap<u64, oneshot::Sender<Result<Forked, ZygoteError>>>,
    /// Living workers, by pid.
    alive: HashMap<i32, oneshot::Sender<Death>>,
}

impl Zygote {
    /// Starts the interpreter; returns once it is ready to fork.
    pub(crate) async fn start(config: &ZygoteConfig, lifeline: &Lifeline) -> Result<Zygote, ZygoteError> {
        let began = Instant::now();
        mend_package(&config.package).await?;
        let channel = |what| move |source: io::Error| ZygoteError::Channel { what, source };
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|error| channel("creating its control socket")(error.into()))?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(|error| channel("setting up its socket")(error.into()))?;
        let (stderr_read, stderr_write) = io::pipe().map_err(channel("creating a pipe for its errors"))?;
        let mut child = spawn(config, theirs, lifeline.read_end(), stderr_write)
            .map_err(|source| ZygoteError::Spawn { python: config.python.clone(), source })?;
        let (pid, pidfd) = (child.id(), open_pidfd(Pid::from_child(&child)).ok());
        tracing::debug!(zygote = pid, python = %config.python.display(), "starting a zygote");
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let stderr_read = pipe::Receiver::from_owned_fd(stderr_read.into()).map_err(channel("reading its errors"))?;
        let errors = tokio::spawn(log_errors(stderr_read, stderr.clone()));
        let control = register(ours).map_err(channel("watching its socket"))?;
        let written = || stderr.lock().join("\n");
        let hello = match tokio::time::timeout(config.ready_timeout, receive(&control)).await {
            Ok(Ok(Some((message, _)))) => serde_json::from_slice::<ZygoteHello>(&message)
                .map_err(|error| channel("reading its first message")(error.into()))?,
            Ok(_) => {
                drop(control);
                let status = tokio::task::spawn_blocking(move || child.wait()).await;
                let _ = tokio::time::timeout(Duration::from_secs(1), errors).await;
                let status = match status {
                    Ok(Ok(status)) => status.to_string(),
                    _ => "status unknown".to_owned(),
                };
                return Err(ZygoteError::StartFailed { python: config.python.clone(), status, stderr: written() });
            }
            Err(_) => {
                let _ = child.kill();
                tokio::task::spawn_blocking(move || child.wait());
                let (python, within) = (config.python.clone(), config.ready_timeout);
                return Err(ZygoteError::StartTimeout { python, within, stderr: written() });
            }
        };
        for (module, why) in &hello.failures {
            tracing::warn!("cannot preload {module}: {why}");
        }
        if let Some(why) = &hello.fork_unsafe {
            tracing::warn!("{why}, so workers are spawned, not forked: sessions start more slowly");
        }
        tracing::debug!(zygote = pid, version = hello.python, took = ?began.elapsed(), "the zygote is ready");
        let shared = Arc::new(Shared { control, state: Mutex::default() });
        let (until_exit, running) = watch::channel(());
        tokio::spawn(read_messages(shared.clone(), child, until_exit));
        Ok(Zygote {
            shared,
            pid,
            pidfd,
            python: hello.python,
            package: config.package.clone(),
            spawns: hello.fork_unsafe.is_some(),
            has_stdin: config.stdin.is_some(),
            running,
        })
    }

    /// The version of its Python, for example `3.12.1`.
    pub(crate) fn python_version(&self) -> &str {
        &self.python
    }

    /// The id of its process.
    pub(super) fn pid(&self) -> i32 {
        i32::try_from(self.pid).unwrap_or(0)
    }

    /// Whether it has ended.
    pub(crate) fn has_exited(&self) -> bool {
        self.shared.state.lock().exited
    }

    /// Ends it with all its workers; returns once its process has ended. It is killed where that takes longer than `within`.
    pub(crate) async fn end(&self, within: Duration) {
        self.request_end();
        self.resume();
        let mut running = self.running.clone();
        if tokio::time::timeout(within, running.changed()).await.is_err() {
            self.send_signal(Signal::KILL);
            let _ = tokio::time::timeout(within, running.changed()).await;
        }
    }

    /// Lets it go on if it was stopped, as by SIGSTOP: it has to tell how its workers end.
    pub(crate) fn resume(&self) {
        self.send_signal(Signal::CONT);
    }

    fn send_signal(&self, signal: Signal) {
        if let Some(pidfd) = &self.pidfd {
            let _ = pidfd_send_signal(pidfd, signal); // it may have ended
        }
    }

    /// Closes the socket, which the zygote takes for the end of its host: it kills its workers and exits.
    fn request_end(&self) {
        let _ = rustix::net::shutdown(self.shared.control.get_ref(), rustix::net::Shutdown::Both);
    }

    /// Asks for a worker, which gets these descriptors and bears this mark.
    pub(super) async fn fork(
        &self,
        request: &ForkRequest<'_>,
        mark: u64,
        descriptors: [BorrowedFd<'_>; DESCRIPTORS],
    ) -> Result<Forked, ZygoteError> {
        let began = Instant::now();
        // Forked workers have nearly all of it in memory already, spawned ones read it anew.
        if self.spawns || !self.package.join(BOOT).exists() {
            mend_package(&self.package).await?;
        }
        let (sender, receiver) = oneshot::channel();
        let number = {
            let mut state = self.shared.state.lock();
            if state.exited {
                return Err(ZygoteError::Exited);
            }
            state.last_request += 1;
            let number = state.last_request;
            state.pending.insert(number, sender);
            number
        };
        let ForkRequest { tag, epoch, handles, check } = *request;
        let message = serde_json::json!({
            "fork": number, "tag": tag, "epoch": epoch, "handles": handles, "check": check, "mark": mark,
            "stdin": self.has_stdin,
        });
        let message = message.to_string();
        let sent = self
            .shared
            .control
            .async_io(tokio::io::Interest::WRITABLE, |control| send(control, message.as_bytes(), &descriptors))
            .await;
        if let Err(source) = sent {
            let mut state = self.shared.state.lock();
            state.pending.remove(&number);
            return Err(match source.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                    state.exited = true; // before `read_messages` notices, in case the caller tries again first
                    ZygoteError::Exited
                }
                _ => ZygoteError::Channel { what: "asking for a worker", source },
            });
        }
        let forked = receiver.await.unwrap_or(Err(ZygoteError::Exited))?;
        tracing::debug!(zygote = self.pid, pid = forked.pid, session = tag, epoch, took = ?began.elapsed(), "forked a worker");
        Ok(forked)
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        self.request_end();
    }
}

/// Makes the Python side whole: it lies in a cache, which may be emptied while the host runs.
async fn mend_package(package: &Path) -> Result<(), PackageError> {
    let cache = package.parent().unwrap_or(package).to_owned();
    spawn_blocking(move || unpack(&cache)).await.map(drop)
}

fn spawn(
    config: &ZygoteConfig,
    control: OwnedFd,
    lifeline: BorrowedFd<'_>,
    stderr: io::PipeWriter,
) -> io::Result<Child> {
    let mut command = Command::new(&config.python);
    let (control_fd, lifeline_fd) = (control.as_raw_fd(), lifeline.as_raw_fd());
    command.arg(config.package.join(BOOT)).arg("zygote");
    command.arg(control_fd.to_string()).arg(lifeline_fd.to_string()).args(&config.preload);
    set_variables(&mut command, &config.python, &config.python_path, &config.variables);
    let stdin = config.stdin.as_ref().map(|stdin| stdin.try_clone()).transpose()?;
    command.stdin(stdin.map_or_else(Stdio::null, Stdio::from));
    command.stdout(stderr.try_clone()?).stderr(stderr).process_group(0);
    if let Some(directory) = &config.directory {
        command.current_dir(directory);
    }
    // SAFETY: between fork and exec, only fcntl is called and signals are set, which is async-signal-safe; the descriptors are open here.
    unsafe {
        command.pre_exec(move || {
            // A program that has sessions in itself may block signals, which workers are interrupted by.
            set_signals_anew(&[HANGUP]);
            for fd in [control_fd, lifeline_fd] {
                rustix::io::fcntl_setfd(BorrowedFd::borrow_raw(fd), rustix::io::FdFlags::empty())?;
            }
            Ok(())
        });
    }
    command.spawn()
}

async fn log_errors(stderr: pipe::Receiver, last: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::info!(target: "zygote", "{line}");
        let mut last = last.lock();
        if last.len() == STDERR_LINES {
            last.remove(0);
        }
        last.push(line);
    }
}

/// Handles the zygote's messages until either end closes the socket, then waits for its process.
async fn read_messages(shared: Arc<Shared>, mut child: Child, _until_exit: watch::Sender<()>) {
    let zygote = child.id();
    while let Ok(Some((message, descriptors))) = receive(&shared.control).await {
        handle_message(&shared, zygote, &message, descriptors);
    }
    {
        let mut state = shared.state.lock();
        state.exited = true;
        state.pending.clear();
        state.alive.clear();
    }
    match tokio::task::spawn_blocking(move || child.wait()).await {
        Ok(Ok(status)) => tracing::debug!(zygote, %status, "the zygote ended"),
        Ok(Err(error)) => tracing::debug!(zygote, %error, "the zygote ended with an unknown status"),
        Err(_) => {} // the runtime is shutting down
    }
}

fn handle_message(shared: &Shared, zygote: u32, message: &[u8], mut descriptors: Vec<OwnedFd>) {
    let mut state = shared.state.lock();
    match serde_json::from_slice(message) {
        Ok(ZygoteMessage::Forked { fork, pid }) => {
            let (sender, death) = oneshot::channel();
            state.alive.insert(pid, sender);
            if let Some(request) = state.pending.remove(&fork) {
                // The kernel leaves out a descriptor for which there is no room. The worker ends with its pipes.
                let out_of_descriptors = || ZygoteError::Channel {
                    what: "receiving the descriptor of a worker",
                    source: io::Error::from_raw_os_error(Errno::MFILE.raw_os_error()),
                };
                let forked = descriptors.pop().map(|pidfd| Forked { pid, pidfd, death });
                let _ = request.send(forked.ok_or_else(out_of_descriptors));
            }
        }
        Ok(ZygoteMessage::Failed { fork, error }) => {
            if let Some(request) = state.pending.remove(&fork) {
                let _ = request.send(Err(ZygoteError::Fork(error)));
            }
        }
        Ok(ZygoteMessage::Changed { fork, changed }) => {
            if let Some(request) = state.pending.remove(&fork) {
                let _ = request.send(Err(ZygoteError::Outdated(changed)));
            }
        }
        Ok(ZygoteMessage::Died { died, status, maxrss }) => {
            tracing::trace!(zygote, pid = died, status, "the zygote reaped a worker");
            if let Some(sender) = state.alive.remove(&died) {
                let _ = sender.send(Death { status, peak_memory_bytes: maxrss });
            }
        }
        Err(error) => tracing::error!(zygote, "the zygote sent an invalid message: {error}"),
    }
}
