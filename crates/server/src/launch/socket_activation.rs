//! Socket activation: a server takes over the sockets that its starter bound, and the pipe on which it reports readiness.

use std::fs::File;
use std::io::{self, Read};
use std::net::TcpListener;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::FileType;
use rustix::net::SocketType;

use crate::auth::TokenText;
use crate::launch::named_sockets::{HTTP, NamedSockets, PIPE, RPC};
use crate::launch::ready::{NotifyTarget, ReadyNotifier};
use crate::launch::service_manager::{NOTIFY_SOCKET, ServiceManager, WATCHDOG_PID, WATCHDOG_USEC};

/// The number of inherited sockets, which begin at 3; as systemd passes them.
pub(super) const LISTEN_FDS: &str = "LISTEN_FDS";
/// What each is for, between colons.
pub(super) const LISTEN_FDNAMES: &str = "LISTEN_FDNAMES";
/// The process that they are meant for. Our own starter cannot know its pid in advance, and leaves it out.
pub(super) const LISTEN_PID: &str = "LISTEN_PID";
/// The number of the pipe on which the server reports that it is ready.
pub(super) const READY_FD: &str = "BEEP_PYTHON_READY_FD";
pub(super) const FIRST_FD: RawFd = 3;
/// A file of any kind: the standard input of code.
pub(super) const STDIN: &str = "stdin";
/// A pipe with the token that is the default one.
pub(super) const TOKEN: &str = "token";

/// What this process inherited from the starter of the server.
#[derive(Debug)]
pub struct ActivatedSockets {
    /// Sockets for HTTP: non-blocking, and closed on exec.
    pub http: Vec<TcpListener>,
    /// A Unix socket for the pipe, the same.
    pub pipe: Option<UnixListener>,
    /// Sockets for RPC, the same.
    pub rpc: Vec<TcpListener>,
    /// What code reads as its standard input, closed on exec; otherwise it asks its client.
    pub stdin: Option<OwnedFd>,
    /// The token that is the default one, in place of that in a file.
    pub token: Option<TokenText>,
    /// Where to report that the server is ready.
    pub ready: ReadyNotifier,
    /// The service manager of a server in the foreground.
    pub manager: ServiceManager,
}

/// Why this process cannot be a server.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// There are no sockets.
    #[error("no sockets were inherited ({LISTEN_FDS} is not set): a server is started by `start`, not by itself")]
    NotLaunched,
    /// The sockets are meant for another process.
    #[error("the inherited sockets are meant for process {meant_for}, this is process {}", std::process::id())]
    OtherProcess {
        /// What `LISTEN_PID` says.
        meant_for: String,
    },
    /// They were taken before.
    #[error("the inherited sockets were taken already")]
    Taken,
    /// An environment variable makes no sense.
    #[error("{variable}={value:?} is not what a server's starter sets (sockets are named `http`, `pipe` or `rpc`)")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A descriptor is not what it should be.
    #[error("the inherited descriptor {fd} is not {expected}")]
    Descriptor {
        /// Its number.
        fd: RawFd,
        /// What it should be.
        expected: &'static str,
        /// What the system said, where it did.
        source: Option<io::Error>,
    },
}

impl ActivatedSockets {
    /// Takes what this process inherited, and removes it from the environment variables, so that no child takes it for
    /// its own. To be called once, before any thread is started.
    pub fn from_env() -> Result<ActivatedSockets, ActivationError> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        let variables = Variables::read();
        let plan = variables.plan(std::process::id())?;
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Err(ActivationError::Taken);
        }
        // A server in the background is no service of the manager that its starter has.
        let has_manager = plan.ready.is_none();
        let manager = if has_manager { ServiceManager::from_env() } else { ServiceManager::default() };
        forget_variables(has_manager);
        // SAFETY: the variables say that these descriptors were passed to this process for us to own; each was checked
        // to be open, and `TAKEN` sees to it that they are owned once.
        let own = |fd| unsafe { OwnedFd::from_raw_fd(fd) };
        let tcp = |fds: Vec<RawFd>| fds.into_iter().map(|fd| tcp_listener(fd, own)).collect::<Result<_, _>>();
        let (http, rpc) = (tcp(plan.http)?, tcp(plan.rpc)?);
        let pipe = plan.pipe.map(|fd| unix_listener(fd, own)).transpose()?;
        let stdin = plan.stdin.map(|fd| stdin_file(fd, own)).transpose()?;
        let token = plan.token.map(|fd| token_text(fd, own)).transpose()?;
        let ready = match plan.ready {
            Some(fd) => ReadyNotifier(NotifyTarget::Pipe(ready_pipe(fd, own)?)),
            None => ReadyNotifier(NotifyTarget::Nobody),
        };
        Ok(ActivatedSockets { http, pipe, rpc, stdin, token, ready, manager })
    }
}

/// The sockets that a service manager passed to this process, as systemd does for a socket unit, and what each is for; none where it
/// passed none. For a starter that becomes the server. To be called once,
/// before it starts another program.
pub fn sockets_of_manager() -> Result<NamedSockets, ActivationError> {
    let variables = Variables::read();
    // What a parent was passed and did not remove from its variables is not ours.
    if variables.fds.is_none() || variables.pid.as_deref() != Some(&*std::process::id().to_string()) {
        return Ok(NamedSockets::new());
    }
    let plan = variables.plan(std::process::id())?;
    // SAFETY: the variables say that these descriptors were passed to this process for us to own; `listener` checks that each is open.
    let own = |fd| unsafe { OwnedFd::from_raw_fd(fd) };
    let named = |(name, fd)| Ok((name, listener(fd, "a listening socket", own)?));
    let http = plan.http.into_iter().map(|fd| (HTTP, fd));
    http.chain(plan.pipe.map(|fd| (PIPE, fd))).chain(plan.rpc.into_iter().map(|fd| (RPC, fd))).map(named).collect()
}

/// The environment variables as they are.
#[derive(Default)]
struct Variables {
    fds: Option<String>,
    names: Option<String>,
    pid: Option<String>,
    ready: Option<String>,
}

/// Which descriptor is what.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    http: Vec<RawFd>,
    pipe: Option<RawFd>,
    rpc: Vec<RawFd>,
    stdin: Option<RawFd>,
    token: Option<RawFd>,
    ready: Option<RawFd>,
}

impl Variables {
    fn read() -> Variables {
        let read = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Variables { fds: read(LISTEN_FDS), names: read(LISTEN_FDNAMES), pid: read(LISTEN_PID), ready: read(READY_FD) }
    }

    fn plan(self, own_pid: u32) -> Result<Plan, ActivationError> {
        let wrong = |variable, value: &str| ActivationError::Variable { variable, value: value.to_owned() };
        let fds = self.fds.ok_or(ActivationError::NotLaunched)?;
        if let Some(meant_for) = self.pid.filter(|pid| pid.parse() != Ok(own_pid)) {
            return Err(ActivationError::OtherProcess { meant_for });
        }
        let count: usize = fds.parse().ok().filter(|count| (1..=64).contains(count)).ok_or(wrong(LISTEN_FDS, &fds))?;
        let end = FIRST_FD + count as RawFd;
        let ready = match self.ready {
            Some(fd) => Some(fd.parse().ok().filter(|fd| *fd >= end).ok_or(wrong(READY_FD, &fd))?),
            None => None,
        };
        let mut plan = Plan { ready, ..Plan::default() };
        // Who names nothing has sockets for HTTP.
        let names = self.names.unwrap_or_else(|| vec![HTTP; count].join(":"));
        let mut split = names.split(':');
        for fd in FIRST_FD..end {
            match split.next() {
                Some(HTTP) => plan.http.push(fd),
                Some(PIPE) if plan.pipe.is_none() => plan.pipe = Some(fd),
                Some(RPC) => plan.rpc.push(fd),
                Some(STDIN) if plan.stdin.is_none() => plan.stdin = Some(fd),
                Some(TOKEN) if plan.token.is_none() => plan.token = Some(fd),
                _ => return Err(wrong(LISTEN_FDNAMES, &names)),
            }
        }
        match split.next() {
            None => Ok(plan),
            Some(_) => Err(wrong(LISTEN_FDNAMES, &names)),
        }
    }
}

/// Changing variables is sound only while no other thread can read them. Where there is one, they stay, which a child
/// that does not know them ignores.
fn forget_variables(has_manager: bool) {
    let alone = std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
    if alone {
        let of_manager: &[&str] = if has_manager { &[NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID] } else { &[] };
        for variable in [LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID, READY_FD].iter().chain(of_manager) {
            // SAFETY: this is the only thread of the process.
            unsafe { std::env::remove_var(variable) };
        }
    }
}

fn tcp_listener(fd: RawFd, own: impl Fn(RawFd) -> OwnedFd) -> Result<TcpListener, ActivationError> {
    const EXPECTED: &str = "a listening TCP socket";
    let listener = TcpListener::from(listener(fd, EXPECTED, own)?);
    // A Unix socket has no address of this kind.
    match listener.local_addr() {
        Ok(_) => Ok(listener),
        Err(_) => Err(ActivationError::Descriptor { fd, expected: EXPECTED, source: None }),
    }
}

fn unix_listener(fd: RawFd, own: impl Fn(RawFd) -> OwnedFd) -> Result<UnixListener, ActivationError> {
    const EXPECTED: &str = "a listening Unix socket";
    let listener = UnixListener::from(listener(fd, EXPECTED, own)?);
    match listener.local_addr() {
        Ok(_) => Ok(listener),
        Err(_) => Err(ActivationError::Descriptor { fd, expected: EXPECTED, source: None }),
    }
}

/// A socket that listens, whatever its addresses are: non-blocking, and closed on exec.
fn listener(fd: RawFd, expected: &'static str, own: impl Fn(RawFd) -> OwnedFd) -> Result<OwnedFd, ActivationError> {
    let failed = |source| ActivationError::Descriptor { fd, expected, source: Some(source) };
    check_open(fd).map_err(failed)?;
    let socket = own(fd);
    let is_listener = rustix::net::sockopt::socket_type(&socket) == Ok(SocketType::STREAM)
        && rustix::net::sockopt::socket_acceptconn(&socket) == Ok(true);
    if !is_listener {
        return Err(ActivationError::Descriptor { fd, expected, source: None });
    }
    close_on_exec(&socket).and_then(|()| Ok(rustix::io::ioctl_fionbio(&socket, true)?)).map_err(failed)?;
    Ok(socket)
}

fn stdin_file(fd: RawFd, own: impl Fn(RawFd) -> OwnedFd) -> Result<OwnedFd, ActivationError> {
    let failed = |source| ActivationError::Descriptor { fd, expected: "open", source: Some(source) };
    check_open(fd).map_err(failed)?;
    let file = own(fd);
    close_on_exec(&file).map_err(failed)?;
    Ok(file)
}

fn token_text(fd: RawFd, own: impl Fn(RawFd) -> OwnedFd) -> Result<TokenText, ActivationError> {
    let failed = |source| ActivationError::Descriptor { fd, expected: "a pipe with a token", source };
    check_open(fd).map_err(|error| failed(Some(error)))?;
    let mut text = String::new();
    File::from(own(fd)).take(4096).read_to_string(&mut text).map_err(|error| failed(Some(error)))?;
    TokenText::new(&text).ok_or_else(|| failed(None))
}

fn ready_pipe(fd: RawFd, own: impl Fn(RawFd) -> OwnedFd) -> Result<File, ActivationError> {
    const EXPECTED: &str = "a pipe";
    let failed = |source| ActivationError::Descriptor { fd, expected: EXPECTED, source: Some(source) };
    check_open(fd).map_err(failed)?;
    let pipe = own(fd);
    let kind = rustix::fs::fstat(&pipe).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if kind != Ok(FileType::Fifo) {
        return Err(ActivationError::Descriptor { fd, expected: EXPECTED, source: None });
    }
    close_on_exec(&pipe).map_err(failed)?;
    Ok(File::from(pipe))
}

fn check_open(fd: RawFd) -> io::Result<()> {
    std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).map(drop)
}

fn close_on_exec(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(fds: &str, names: &str, pid: &str, ready: &str) -> Result<Plan, ActivationError> {
        let set = |value: &str| (value != "-").then(|| value.to_owned());
        Variables { fds: set(fds), names: set(names), pid: set(pid), ready: set(ready) }.plan(42)
    }

    #[test]
    fn descriptors_are_numbered_from_three() {
        let two = Plan { http: vec![3, 4], ready: Some(5), ..Plan::default() };
        assert_eq!(plan("2", "http:http", "-", "5").unwrap(), two);
        assert_eq!(plan("2", "-", "42", "5").unwrap(), two);
        assert_eq!(plan("1", "http", "42", "-").unwrap(), Plan { http: vec![3], ..Plan::default() });
        let all = Plan { http: vec![3], pipe: Some(6), rpc: vec![4, 5], stdin: Some(7), token: Some(8), ready: None };
        assert_eq!(plan("6", "http:rpc:rpc:pipe:stdin:token", "42", "-").unwrap(), all);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(matches!(plan("-", "http", "-", "4"), Err(ActivationError::NotLaunched)));
        for pid in ["43", "", "x", "-1"] {
            assert!(matches!(plan("1", "http", pid, "4"), Err(ActivationError::OtherProcess { .. })), "{pid}");
        }
        for fds in ["", "0", "-1", "x", "65"] {
            assert!(
                matches!(plan(fds, "-", "-", "-"), Err(ActivationError::Variable { variable: LISTEN_FDS, .. })),
                "{fds}"
            );
        }
        for names in ["", "http", "http:other", "pipe:pipe", "stdin:stdin", "token:token", "http:http:http"] {
            let wrong = plan("2", names, "-", "-");
            assert!(matches!(wrong, Err(ActivationError::Variable { variable: LISTEN_FDNAMES, .. })), "{names}");
        }
        for ready in ["", "0", "4", "-7", "x"] {
            let wrong = plan("2", "-", "-", ready);
            assert!(matches!(wrong, Err(ActivationError::Variable { variable: READY_FD, .. })), "{ready}");
        }
    }
}
