//! Starting the process of a server with its sockets, and ending one that did not get ready.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use beep_python_runtime::platform::open_pidfd;
use rustix::io::{Errno, FdFlags};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::launch::socket_activation::FIRST_FD;
use crate::launch::stop::ends_within;

pub(super) fn spawn_in_session(
    mut command: Command,
    listeners: Vec<OwnedFd>,
    ready_tx: Option<OwnedFd>,
) -> io::Result<Child> {
    let _placeholders = hand_over(&mut command, listeners, ready_tx, true)?;
    // The command goes with the end of this function, and our copies of the descriptors with it: from then on only the
    // server holds the telling end of the pipe.
    command.spawn()
}

/// Arranges that the process of `command` finds the sockets, then the pipe, at descriptors 3, 4, …; what this returns
/// must live until it is spawned.
pub(super) fn hand_over(
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

/// Descriptors from `first` on that a child would keep: a lock or a pipe of our parent, which would then wait for as
/// long as the server runs.
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

/// Ends a server that did not get ready: it has a moment to end by itself, then its process group is killed.
pub(super) fn end(child: &mut Child) -> io::Result<ExitStatus> {
    const MOMENT: Duration = Duration::from_secs(1);
    let pid = Pid::from_child(child);
    // Where its end cannot be awaited, it is killed at once.
    let ended = open_pidfd(pid).ok().and_then(|process| ends_within(&process, MOMENT).ok());
    if ended != Some(true) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    child.wait()
}
