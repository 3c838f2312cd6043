//! Starting a server: sockets first, then a process in a session of its own, then its word that it is ready.

use std::fs::File;
use std::io::{self, Read};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use beep_python_runtime::platform::{FileError, Home, HomeError, failed_to};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::socket_activation::{FIRST_FD, LISTEN_FDNAMES, LISTEN_FDS, LISTEN_PID, READY_FD, ReadyMessage};
use super::log::remove_old_logs;
use super::sockets::Sockets;
use super::stop::ends_within;
use super::{BindError, RecordError, ServerRecord, log_tail, read_record, remove_record};
use crate::unix_socket::{PipeError, PipeName};

/// Starts servers.
#[derive(Clone, Debug)]
pub struct ServerLauncher {
    /// The program that is run as `program serve --id ID [--log FILE] …`.
    pub program: PathBuf,
    /// Where records and logs go.
    pub home: Home,
    /// How long a server may take until it is ready.
    pub ready_within: Duration,
}

/// One server to start.
#[derive(Clone, Debug, Default)]
pub struct LaunchPlan {
    /// Its id; a new one when not given.
    pub id: Option<String>,
    /// The loopback address to listen on; both when not given.
    pub host: Option<String>,
    /// The port of HTTP, where that is wanted; 0 takes a free one.
    pub http: Option<u16>,
    /// The name of the pipe, where one is wanted.
    pub pipe: Option<PipeName>,
    /// The port of RPC, where that is wanted; 0 takes a free one.
    pub rpc: Option<u16>,
    /// The folder it starts in; that of this process when not given.
    pub directory: Option<PathBuf>,
    /// What follows `serve --id ID --log FILE` on its command line.
    pub arguments: Vec<String>,
    /// The read end of a pipe for its standard input, which it is told to stop with: the server ends when nobody holds
    /// the other end any more, however that comes. Without it, a server outlives whoever started it.
    pub lifeline: Option<Arc<OwnedFd>>,
}

/// Why a server was not started. Nothing of it is left: no process, no record.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// It was to have no backend.
    #[error("a server needs a backend: HTTP, pipe or RPC")]
    NoBackend,
    /// Its sockets cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its pipe cannot be made.
    #[error(transparent)]
    Pipe(#[from] PipeError),
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its log cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Records cannot be worked with.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Its process cannot be started.
    #[error("cannot run {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It said why it cannot start.
    #[error("the server could not start")]
    Failed(#[source] RemoteError),
    /// It ended without a word.
    #[error("the server ended before it was ready ({status}){}", last_lines(log_tail))]
    Died {
        /// How.
        status: ExitStatus,
        /// The end of its log.
        log_tail: String,
    },
    /// It was not ready in time and was killed.
    #[error("the server was not ready after {} and was killed{}", seconds(waited), last_lines(log_tail))]
    TimedOut {
        /// How long it had.
        waited: Duration,
        /// The end of its log.
        log_tail: String,
    },
    /// What it said cannot be understood.
    #[error("the server said {said:?} when it should have said that it is ready")]
    Misunderstood {
        /// What it said.
        said: String,
        /// Why that is not understood.
        source: serde_json::Error,
    },
}

/// An error as another process told it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RemoteError {
    /// What failed.
    pub message: String,
    /// Why.
    pub source: Option<Box<RemoteError>>,
}

impl ServerLauncher {
    /// Starts servers of `home` by running `program`, which have 30 s to be ready.
    pub fn new(program: impl Into<PathBuf>, home: &Home) -> ServerLauncher {
        ServerLauncher { program: program.into(), home: home.clone(), ready_within: Duration::from_secs(30) }
    }

    /// Starts a server in the background and returns when it is ready. Blocks meanwhile.
    ///
    /// It runs in a session of its own, with nothing on its standard input but the lifeline, where it has one, and its output in
    /// its log.
    pub fn launch(&self, plan: &LaunchPlan) -> Result<ServerRecord, LaunchError> {
        let sockets = Sockets::bind(&self.home, plan)?;
        let id = self.id_for(plan)?;
        let logs = self.home.logs()?;
        remove_old_logs(&logs, |log| log == id || read_record(&self.home, log).is_some());
        let log = logs.join(format!("{id}.log"));
        let output =
            File::options().append(true).create(true).mode(0o600).open(&log).map_err(failed_to("write", &log))?;

        let spawn_failed = |source| LaunchError::Spawn { program: self.program.clone(), source };
        let (ready_rx, ready_tx) = ready_pipe().map_err(spawn_failed)?;
        let (listeners, names) = sockets.share().map_err(spawn_failed)?;
        let mut command = self.command(plan, &id, Some(&log), &names);
        command.env(READY_FD, (FIRST_FD as usize + names.len()).to_string());
        let input = plan.lifeline.as_ref().map(|lifeline| lifeline.try_clone()).transpose().map_err(spawn_failed)?;
        command.stdin(input.map_or_else(Stdio::null, Stdio::from));
        command.stderr(output.try_clone().map_err(spawn_failed)?).stdout(output);
        let child = spawn_in_session(command, listeners, Some(ready_tx)).map_err(spawn_failed)?;
        let record = self.await_ready(child, ready_rx, &id, &log)?;
        sockets.hand_over();
        Ok(record)
    }

    /// Turns this process into a server that stays in the foreground, with the output it has now. Returns only when
    /// that fails.
    pub fn exec_server(&self, plan: &LaunchPlan) -> LaunchError {
        let exec_server = || {
            let sockets = Sockets::bind(&self.home, plan)?;
            let id = self.id_for(plan)?;
            let spawn_failed = |source| LaunchError::Spawn { program: self.program.clone(), source };
            let (listeners, names) = sockets.share().map_err(spawn_failed)?;
            let mut command = self.command(plan, &id, None, &names);
            command.env(LISTEN_PID, std::process::id().to_string());
            let _placeholders = hand_over(&mut command, listeners, None, false).map_err(spawn_failed)?;
            Err::<(), _>(spawn_failed(command.exec()))
        };
        exec_server().expect_err("exec returns only when it fails")
    }

    fn id_for(&self, plan: &LaunchPlan) -> Result<String, LaunchError> {
        match &plan.id {
            Some(id) => Ok(id.clone()),
            None => new_id(&self.home),
        }
    }

    fn command(&self, plan: &LaunchPlan, id: &str, log: Option<&Path>, sockets: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--id", id]);
        if let Some(log) = log {
            command.arg("--log").arg(log);
        }
        if plan.lifeline.is_some() {
            command.arg("--stop-at-end-of-input");
        }
        command.args(&plan.arguments);
        command.env("BEEP_PYTHON_HOME", self.home.root());
        command.env_remove(LISTEN_PID).env_remove(READY_FD);
        command.env(LISTEN_FDS, sockets.len().to_string()).env(LISTEN_FDNAMES, sockets.join(":"));
        if let Some(directory) = &plan.directory {
            command.current_dir(directory);
        }
        command
    }

    fn await_ready(&self, mut child: Child, ready_rx: File, id: &str, log: &Path) -> Result<ServerRecord, LaunchError> {
        let said = read_ready(&child, ready_rx, self.ready_within);
        if let Ok(ReadyOutcome::Line(line)) = &said
            && let Ok(ReadyMessage::Ready(record)) = serde_json::from_slice(line)
        {
            // Who starts servers and lives on must not keep them as zombies.
            std::thread::spawn(move || child.wait());
            return Ok(*record);
        }
        let status = end(&mut child).map_err(|source| LaunchError::Spawn { program: self.program.clone(), source })?;
        // It may have come as far as writing its record.
        if let Some(record) = read_record(&self.home, id) {
            remove_record(&self.home, &record)?;
        }
        let log_tail = log_tail(log, 20);
        Err(match said {
            Ok(ReadyOutcome::Line(line)) => match serde_json::from_slice(&line) {
                Ok(ReadyMessage::Error { message, causes }) => LaunchError::Failed(RemoteError::chain(message, causes)),
                Ok(ReadyMessage::Ready(_)) => unreachable!("returned above"),
                Err(source) => {
                    LaunchError::Misunderstood { said: String::from_utf8_lossy(&line).trim_end().to_owned(), source }
                }
            },
            Ok(ReadyOutcome::Nothing) => LaunchError::Died { status, log_tail },
            Ok(ReadyOutcome::TooLate) => LaunchError::TimedOut { waited: self.ready_within, log_tail },
            Err(source) => LaunchError::Spawn { program: self.program.clone(), source },
        })
    }
}

impl RemoteError {
    fn chain(message: String, causes: Vec<String>) -> RemoteError {
        let source = causes.into_iter().rev().fold(None, |source, message| Some(Box::new(RemoteError { message, source })));
        RemoteError { message, source }
    }
}

/// An id that neither a record nor a log has. It begins with a letter, so that it is never taken for a port.
fn new_id(home: &Home) -> Result<String, LaunchError> {
    let (servers, logs) = (home.servers()?, home.logs()?);
    let random = Path::new("/dev/urandom");
    let mut source = File::open(random).map_err(failed_to("read", random))?;
    loop {
        let mut bytes = [0; 4];
        source.read_exact(&mut bytes).map_err(failed_to("read", random))?;
        let id = format!("{}{:05x}", char::from(b'a' + bytes[3] % 6), u32::from_le_bytes(bytes) & 0xf_ffff);
        let taken = |folder: &Path, suffix| folder.join(format!("{id}.{suffix}")).exists();
        if !taken(&servers, "json") && !taken(&logs, "log") {
            return Ok(id);
        }
    }
}

fn ready_pipe() -> io::Result<(File, OwnedFd)> {
    let (ready_rx, ready_tx) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&ready_rx, rustix::fs::OFlags::NONBLOCK)?;
    Ok((File::from(ready_rx), ready_tx))
}

fn spawn_in_session(mut command: Command, listeners: Vec<OwnedFd>, ready_tx: Option<OwnedFd>) -> io::Result<Child> {
    let _placeholders = hand_over(&mut command, listeners, ready_tx, true)?;
    // The command goes with the end of this function, and our copies of the descriptors with it: from then on only the
    // server holds the telling end of the pipe.
    command.spawn()
}

/// Arranges that the process of `command` finds the sockets, then the pipe, at descriptors 3, 4, …; what this returns
/// must live until it is spawned.
fn hand_over(
    command: &mut Command,
    listeners: Vec<OwnedFd>,
    ready_tx: Option<OwnedFd>,
    own_session: bool,
) -> io::Result<Vec<OwnedFd>> {
    let fds: Vec<OwnedFd> = listeners.into_iter().chain(ready_tx).collect();
    let end = FIRST_FD + fds.len() as RawFd;
    // None of them may lie where another is to go.
    let above = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, end);
    let sources = fds.iter().map(above).collect::<Result<Vec<_>, Errno>>()?;
    // Nor may a descriptor that the standard library opens for its own use while it spawns.
    let mut placeholders = Vec::new();
    loop {
        let placeholder = rustix::io::fcntl_dupfd_cloexec(&sources[0], FIRST_FD)?;
        if placeholder.as_raw_fd() >= end {
            break;
        }
        placeholders.push(placeholder);
    }
    placeholders.extend(fds);
    let leaking = if own_session { inheritable_from(end)? } else { Vec::new() };
    let arrange = move || {
        if own_session {
            rustix::process::setsid()?;
        }
        for fd in &leaking {
            // SAFETY: it was open a moment ago; where it is not now, the call fails and nothing happens.
            let _ = rustix::io::fcntl_setfd(unsafe { BorrowedFd::borrow_raw(*fd) }, FdFlags::CLOEXEC);
        }
        for (target, source) in (FIRST_FD..).zip(&sources) {
            // SAFETY: the number is only the place that the duplicate goes to, in a process that is about to exec;
            // nothing else in it uses that descriptor any more, and it is not closed here.
            let mut target = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(target) });
            rustix::io::dup2(source, &mut target)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec `arrange` makes plain system calls on values that exist already: it neither
    // allocates nor locks.
    unsafe { command.pre_exec(arrange) };
    Ok(placeholders)
}

/// Descriptors from `first` on that a child would keep: a lock or a pipe of whoever started us, who would then wait for
/// as long as the server runs.
fn inheritable_from(first: RawFd) -> io::Result<Vec<RawFd>> {
    let mut inheritable = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else { continue };
        // SAFETY: it is open, or was a moment ago; where it is not now, the call fails.
        let flags = rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(fd) });
        if fd >= first && flags.is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)) {
            inheritable.push(fd);
        }
    }
    Ok(inheritable)
}

enum ReadyOutcome {
    /// A line.
    Line(Vec<u8>),
    /// The process ended, or closed the pipe, before it said a line.
    Nothing,
    /// The time is over.
    TooLate,
}

/// Waits for the line that a server says when it is ready.
fn read_ready(child: &Child, mut ready_rx: File, within: Duration) -> io::Result<ReadyOutcome> {
    const LONGEST: usize = 1 << 20;
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let deadline = Instant::now() + within;
    let mut line = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        let mut awaited = [PollFd::new(&ready_rx, PollFlags::IN), PollFd::new(&process, PollFlags::IN)];
        match poll(&mut awaited, Some(&timeout)) {
            Ok(0) => return Ok(ReadyOutcome::TooLate),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let ended = !awaited[1].revents().is_empty();
        let mut chunk = [0; 4096];
        loop {
            match ready_rx.read(&mut chunk) {
                Ok(0) => return Ok(ReadyOutcome::Nothing),
                Ok(length) => line.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if line.ends_with(b"\n") || line.len() > LONGEST {
                return Ok(ReadyOutcome::Line(line));
            }
        }
        if ended {
            return Ok(ReadyOutcome::Nothing);
        }
    }
}

/// Ends a server that is not to be: it has a moment to end by itself, then it is killed with all of its group.
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    const MOMENT: Duration = Duration::from_secs(1);
    let pid = Pid::from_child(child);
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    if !ends_within(&process, MOMENT)? {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    child.wait()
}

fn last_lines(log_tail: &str) -> String {
    if log_tail.is_empty() { String::new() } else { format!("; the last lines of its log:\n{log_tail}") }
}

fn seconds(duration: &Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
