//! A zygote: the warm Python process of one environment, which forks workers.

use std::collections::HashMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Deserialize;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};

use crate::environment::environment_variables;
use crate::worker::async_fd::register;
use crate::worker::lifeline::Lifeline;
use crate::worker::package::BOOT;

/// How many descriptors go with a request for a worker; `_zygote.py` names them.
pub(super) const DESCRIPTORS: usize = 7;
const STDERR_LINES: usize = 20;

/// What a zygote is started with.
#[derive(Clone, Debug)]
pub(crate) struct ZygoteConfig {
    /// The environment's interpreter, as it is found in the environment (not resolved).
    pub(crate) python: PathBuf,
    /// The folder that holds the package `beep_python`.
    pub(crate) package: PathBuf,
    /// Modules to import once, for all workers to come.
    pub(crate) preload: Vec<String>,
    /// The working directory of the workers; this process's own when not given.
    pub(crate) directory: Option<PathBuf>,
    /// How long the interpreter may take to start and preload.
    pub(crate) ready_timeout: Duration,
}

/// Why there is no zygote, or no worker from it.
#[derive(Debug, thiserror::Error)]
pub enum ZygoteError {
    /// The interpreter could not be run.
    #[error("cannot start {}", python.display())]
    Spawn {
        /// The interpreter.
        python: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The interpreter ended while starting.
    #[error("{} ended while starting ({status}); it said: {stderr}", python.display())]
    StartFailed {
        /// The interpreter.
        python: PathBuf,
        /// Its exit status.
        status: String,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// The interpreter did not get ready in time.
    #[error("{} was not ready within {within:?}; it said: {stderr}", python.display())]
    StartTimeout {
        /// The interpreter.
        python: PathBuf,
        /// How long it had.
        within: Duration,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// A descriptor or a message failed.
    #[error("cannot talk to the zygote: {what}")]
    Channel {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The zygote ended.
    #[error("the zygote ended while it was asked for a worker")]
    Exited,
    /// The zygote could not fork.
    #[error("the zygote cannot fork: {0}")]
    Fork(String),
    /// The worker did not answer after its start.
    #[error("the worker was not ready within {0:?}")]
    WorkerTimeout(Duration),
    /// The worker ended before it was ready.
    #[error("the worker ended while starting; it said: {0}")]
    WorkerExited(String),
}

/// How a worker ended, as its parent saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    /// The status as `wait4` gives it.
    pub(crate) status: i32,
    /// The largest resident size.
    pub(crate) peak_memory_bytes: u64,
}

/// A worker as it comes from the zygote.
#[derive(Debug)]
pub(super) struct Forked {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    /// How it ended, once it has; an error when the zygote ended first.
    pub(super) death: oneshot::Receiver<Death>,
}

/// A running zygote. When the last reference goes, it ends with all its workers.
#[derive(Debug)]
pub(crate) struct Zygote {
    shared: Arc<Shared>,
    python: String,
    /// Closed when its process has ended and was waited for.
    lives: watch::Receiver<()>,
}

#[derive(Debug)]
struct Shared {
    control: AsyncFd<OwnedFd>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    exited: bool,
    last: u64,
    pending: HashMap<u64, oneshot::Sender<Result<Forked, ZygoteError>>>,
    alive: HashMap<i32, oneshot::Sender<Death>>,
}

#[derive(Debug, Clone, Deserialize)]
struct ZygoteHello {
    python: String,
    failures: HashMap<String, String>,
    fork_unsafe: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ZygoteMessage {
    Forked { fork: u64, pid: i32 },
    Failed { fork: u64, error: String },
    Died { died: i32, status: i32, maxrss: u64 },
}

impl Zygote {
    /// Starts the interpreter, and returns when it is ready to fork.
    pub(crate) async fn start(config: &ZygoteConfig, lifeline: &Lifeline) -> Result<Zygote, ZygoteError> {
        let channel = |what| move |source: io::Error| ZygoteError::Channel { what, source };
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|error| channel("making its control socket")(error.into()))?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(|error| channel("setting up its socket")(error.into()))?;
        let (stderr_read, stderr_write) = io::pipe().map_err(channel("making a pipe for its errors"))?;
        let mut child = spawn(config, theirs, lifeline.read_end(), stderr_write)
            .map_err(|source| ZygoteError::Spawn { python: config.python.clone(), source })?;
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let stderr_read = pipe::Receiver::from_owned_fd(stderr_read.into()).map_err(channel("reading its errors"))?;
        let errors = tokio::spawn(log_errors(stderr_read, stderr.clone()));
        let control = register(ours).map_err(channel("watching its socket"))?;
        let said = || stderr.lock().expect("no panic while held").join("\n");
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
                return Err(ZygoteError::StartFailed { python: config.python.clone(), status, stderr: said() });
            }
            Err(_) => {
                let _ = child.kill();
                tokio::task::spawn_blocking(move || child.wait());
                let (python, within) = (config.python.clone(), config.ready_timeout);
                return Err(ZygoteError::StartTimeout { python, within, stderr: said() });
            }
        };
        for (module, why) in &hello.failures {
            tracing::warn!("cannot preload {module}: {why}");
        }
        if let Some(why) = &hello.fork_unsafe {
            tracing::warn!("{why}, so workers are spawned, not forked: sessions start more slowly");
        }
        let shared = Arc::new(Shared { control, state: Mutex::default() });
        let (living, lives) = watch::channel(());
        tokio::spawn(listen(shared.clone(), child, living));
        Ok(Zygote { shared, python: hello.python, lives })
    }

    /// The version of its Python, for example `3.12.1`.
    pub(crate) fn python_version(&self) -> &str {
        &self.python
    }

    /// Whether it has ended.
    pub(crate) fn has_exited(&self) -> bool {
        self.shared.state.lock().expect("no panic while held").exited
    }

    /// Tells it to end, with all its workers, and returns when its process is gone.
    pub(crate) async fn end(&self) {
        self.tell_to_end();
        let _ = self.lives.clone().changed().await;
    }

    /// It takes this for the end of its host: it ends its workers, and itself.
    fn tell_to_end(&self) {
        let _ = rustix::net::shutdown(self.shared.control.get_ref(), rustix::net::Shutdown::Both);
    }

    pub(super) async fn fork(
        &self,
        tag: &str,
        epoch: u64,
        handles: Option<u64>,
        descriptors: [BorrowedFd<'_>; DESCRIPTORS],
    ) -> Result<Forked, ZygoteError> {
        let (sender, receiver) = oneshot::channel();
        let number = {
            let mut state = self.shared.state.lock().expect("no panic while held");
            if state.exited {
                return Err(ZygoteError::Exited);
            }
            state.last += 1;
            let number = state.last;
            state.pending.insert(number, sender);
            number
        };
        let message = serde_json::json!({ "fork": number, "tag": tag, "epoch": epoch, "handles": handles }).to_string();
        let sent = self
            .shared
            .control
            .async_io(tokio::io::Interest::WRITABLE, |control| send(control, message.as_bytes(), &descriptors))
            .await;
        if let Err(source) = sent {
            let mut state = self.shared.state.lock().expect("no panic while held");
            state.pending.remove(&number);
            return Err(match source.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                    state.exited = true; // `listen` will come to it, but who asks again may come first
                    ZygoteError::Exited
                }
                _ => ZygoteError::Channel { what: "asking for a worker", source },
            });
        }
        receiver.await.unwrap_or(Err(ZygoteError::Exited))
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        self.tell_to_end();
    }
}

fn spawn(
    config: &ZygoteConfig,
    control: OwnedFd,
    lifeline: BorrowedFd<'_>,
    stderr: io::PipeWriter,
) -> io::Result<Child> {
    let mut command = Command::new(&config.python);
    let (control_fd, lifeline_fd) = (control.as_raw_fd(), lifeline.as_raw_fd());
    command.arg("-c").arg(BOOT).arg(&config.package).arg("zygote");
    command.arg(control_fd.to_string()).arg(lifeline_fd.to_string()).args(&config.preload);
    // What `providers.toml` says that code in this environment is to find.
    let environment = config.python.parent().and_then(Path::parent);
    command.envs(environment.map(environment_variables).unwrap_or_default());
    // What another program set for another Python would break this one.
    command.env_remove("PYTHONHOME").env_remove("PYTHONPATH").env_remove("PYTHONSTARTUP");
    command.stdin(Stdio::null()).stdout(stderr.try_clone()?).stderr(stderr).process_group(0);
    if let Some(directory) = &config.directory {
        command.current_dir(directory);
    }
    // SAFETY: between fork and exec, only fcntl is called, which is async-signal-safe; the descriptors are open here.
    unsafe {
        command.pre_exec(move || {
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
        let mut last = last.lock().expect("no panic while held");
        if last.len() == STDERR_LINES {
            last.remove(0);
        }
        last.push(line);
    }
}

/// Takes what the zygote tells, until either end closes.
async fn listen(shared: Arc<Shared>, mut child: Child, _living: watch::Sender<()>) {
    while let Ok(Some((message, descriptors))) = receive(&shared.control).await {
        take(&shared, &message, descriptors);
    }
    {
        let mut state = shared.state.lock().expect("no panic while held");
        state.exited = true;
        state.pending.clear();
        state.alive.clear();
    }
    let _ = tokio::task::spawn_blocking(move || child.wait()).await;
}

fn take(shared: &Shared, message: &[u8], mut descriptors: Vec<OwnedFd>) {
    let mut state = shared.state.lock().expect("no panic while held");
    match serde_json::from_slice(message) {
        Ok(ZygoteMessage::Forked { fork, pid }) => {
            let (told, death) = oneshot::channel();
            state.alive.insert(pid, told);
            if let (Some(asked), Some(pidfd)) = (state.pending.remove(&fork), descriptors.pop()) {
                let _ = asked.send(Ok(Forked { pid, pidfd, death }));
            }
        }
        Ok(ZygoteMessage::Failed { fork, error }) => {
            if let Some(asked) = state.pending.remove(&fork) {
                let _ = asked.send(Err(ZygoteError::Fork(error)));
            }
        }
        Ok(ZygoteMessage::Died { died, status, maxrss }) => {
            if let Some(told) = state.alive.remove(&died) {
                let _ = told.send(Death { status, peak_memory_bytes: maxrss });
            }
        }
        Err(error) => tracing::error!("the zygote sent what is no message: {error}"),
    }
}

fn send(control: &OwnedFd, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("no room for the descriptors"));
    }
    sendmsg(control, &[IoSlice::new(message)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The next message; `None` when the other end is closed.
async fn receive(control: &AsyncFd<OwnedFd>) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    control
        .async_io(tokio::io::Interest::READABLE, |control| {
            let mut message = vec![0u8; 65536];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC;
            let got = recvmsg(control.as_fd(), &mut [IoSliceMut::new(&mut message)], &mut ancillary, flags)?;
            let mut descriptors = Vec::new();
            for part in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = part {
                    descriptors.extend(fds);
                }
            }
            message.truncate(got.bytes);
            Ok((got.bytes > 0).then_some((message, descriptors)))
        })
        .await
}
