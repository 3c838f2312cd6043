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

use super::Lifeline;
use super::package::BOOT;
use super::watch::watch;
use crate::environment::environment_variables;

/// How many descriptors go with a request for a worker; `_zygote.py` names them.
pub(super) const DESCRIPTORS: usize = 7;
const STDERR_LINES: usize = 20;

/// What a zygote is started with.
#[derive(Clone, Debug)]
pub struct ZygoteConfig {
    /// The environment's interpreter, as it is found in the environment (not resolved).
    pub python: PathBuf,
    /// The folder that holds the package `beep_python`.
    pub package: PathBuf,
    /// Modules to import once, for all workers to come.
    pub preload: Vec<String>,
    /// The working directory of the workers; this process's own when not given.
    pub directory: Option<PathBuf>,
    /// How long the interpreter may take to start and preload.
    pub ready_within: Duration,
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
    Ended {
        /// The interpreter.
        python: PathBuf,
        /// Its exit status.
        status: String,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// The interpreter did not get ready in time.
    #[error("{} was not ready within {within:?}; it said: {stderr}", python.display())]
    Slow {
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
    Gone,
    /// The zygote could not fork.
    #[error("the zygote cannot fork: {0}")]
    Fork(String),
    /// The worker did not answer after its start.
    #[error("the worker was not ready within {0:?}")]
    WorkerSlow(Duration),
    /// The worker ended before it was ready.
    #[error("the worker ended while starting; it said: {0}")]
    WorkerEnded(String),
}

/// How a worker ended, as its parent saw it.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    /// The status as `wait4` gives it.
    pub status: i32,
    /// The largest resident size.
    pub peak_memory_bytes: u64,
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
pub struct Zygote {
    shared: Arc<Shared>,
    hello: Hello,
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
    gone: bool,
    last: u64,
    asked: HashMap<u64, oneshot::Sender<Result<Forked, ZygoteError>>>,
    alive: HashMap<i32, oneshot::Sender<Death>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Hello {
    python: String,
    failures: HashMap<String, String>,
    spawns: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Forked { fork: u64, pid: i32 },
    Failed { fork: u64, error: String },
    Died { died: i32, status: i32, maxrss: u64 },
}

impl Zygote {
    /// Starts the interpreter, and returns when it is ready to fork.
    pub async fn start(config: &ZygoteConfig, lifeline: &Lifeline) -> Result<Zygote, ZygoteError> {
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
        let control = watch(ours).map_err(channel("watching its socket"))?;
        let said = || stderr.lock().expect("no panic while held").join("\n");
        let hello = match tokio::time::timeout(config.ready_within, receive(&control)).await {
            Ok(Ok(Some((message, _)))) => serde_json::from_slice::<Hello>(&message)
                .map_err(|error| channel("reading its first message")(error.into()))?,
            Ok(_) => {
                drop(control);
                let status = tokio::task::spawn_blocking(move || child.wait()).await;
                let _ = tokio::time::timeout(Duration::from_secs(1), errors).await;
                let status = match status {
                    Ok(Ok(status)) => status.to_string(),
                    _ => "status unknown".to_owned(),
                };
                return Err(ZygoteError::Ended { python: config.python.clone(), status, stderr: said() });
            }
            Err(_) => {
                let _ = child.kill();
                tokio::task::spawn_blocking(move || child.wait());
                let (python, within) = (config.python.clone(), config.ready_within);
                return Err(ZygoteError::Slow { python, within, stderr: said() });
            }
        };
        for (module, why) in &hello.failures {
            tracing::warn!("cannot preload {module}: {why}");
        }
        if let Some(why) = &hello.spawns {
            tracing::warn!("{why}, so workers are spawned, not forked: sessions start more slowly");
        }
        let shared = Arc::new(Shared { control, state: Mutex::default() });
        let (living, lives) = watch::channel(());
        tokio::spawn(listen(shared.clone(), child, living));
        Ok(Zygote { shared, hello, lives })
    }

    /// The version of its Python, for example `3.12.1`.
    pub fn python_version(&self) -> &str {
        &self.hello.python
    }

    /// Modules that could not be preloaded, and why.
    pub fn preload_failures(&self) -> &HashMap<String, String> {
        &self.hello.failures
    }

    /// Why workers are spawned and not forked, where they are.
    pub fn why_spawned(&self) -> Option<&str> {
        self.hello.spawns.as_deref()
    }

    /// Whether it has ended.
    pub fn is_gone(&self) -> bool {
        self.shared.state.lock().expect("no panic while held").gone
    }

    /// Tells it to end, with all its workers, and returns when its process is gone.
    pub async fn end(&self) {
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
            if state.gone {
                return Err(ZygoteError::Gone);
            }
            state.last += 1;
            let number = state.last;
            state.asked.insert(number, sender);
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
            state.asked.remove(&number);
            return Err(match source.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                    state.gone = true; // `listen` will come to it, but who asks again may come first
                    ZygoteError::Gone
                }
                _ => ZygoteError::Channel { what: "asking for a worker", source },
            });
        }
        receiver.await.unwrap_or(Err(ZygoteError::Gone))
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
        state.gone = true;
        state.asked.clear();
        state.alive.clear();
    }
    let _ = tokio::task::spawn_blocking(move || child.wait()).await;
}

fn take(shared: &Shared, message: &[u8], mut descriptors: Vec<OwnedFd>) {
    let mut state = shared.state.lock().expect("no panic while held");
    match serde_json::from_slice(message) {
        Ok(Told::Forked { fork, pid }) => {
            let (told, death) = oneshot::channel();
            state.alive.insert(pid, told);
            if let (Some(asked), Some(pidfd)) = (state.asked.remove(&fork), descriptors.pop()) {
                let _ = asked.send(Ok(Forked { pid, pidfd, death }));
            }
        }
        Ok(Told::Failed { fork, error }) => {
            if let Some(asked) = state.asked.remove(&fork) {
                let _ = asked.send(Err(ZygoteError::Fork(error)));
            }
        }
        Ok(Told::Died { died, status, maxrss }) => {
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
