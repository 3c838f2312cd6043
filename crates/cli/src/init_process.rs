//! The first process of a container. What loses its parent there falls to it, and nobody else waits for that; and the kernel gives
//! it no signal that it does not handle. So the command runs in a child, and this process does these two things.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::hidden_variables::hide_all;

/// What a terminal sends to all its processes, the child among them.
const OF_TERMINAL: [i32; 3] = [SIGINT, SIGQUIT, SIGHUP];
const OTHERS: [i32; 4] = [SIGTERM, SIGUSR1, SIGUSR2, SIGCONT];

/// Whether this is that process.
pub(crate) fn is_first() -> bool {
    std::process::id() == 1
}

/// Runs the command in a child, and ends as that does.
pub(crate) fn run() -> ExitCode {
    supervise().unwrap_or_else(|error| {
        eprintln!("error: the command cannot be run as a child of the first process\ncaused by: {error}");
        ExitCode::FAILURE
    })
}

fn supervise() -> io::Result<ExitCode> {
    let has_terminal = rustix::termios::tcgetpgrp(rustix::stdio::stdin()).is_ok();
    // Before the child is there, so that no signal is missed.
    let mut signals = Signals::new(OF_TERMINAL.into_iter().chain(OTHERS).chain([SIGCHLD]))?;
    let child = spawn()?;
    // The child has them, and hides the secret ones; its sessions can read what the kernel shows of this process.
    // SAFETY: this process has no other thread.
    unsafe { hide_all() };
    let pid = Pid::from_child(&child);
    for signal in signals.forever() {
        match signal {
            SIGCHLD => {
                if let Some(status) = reap(pid)? {
                    return Ok(ExitCode::from(exit_code(status)));
                }
            }
            signal if has_terminal && OF_TERMINAL.contains(&signal) => {}
            signal => {
                let signal = Signal::from_named_raw(signal).ok_or(io::ErrorKind::InvalidInput)?;
                let _ = kill_process(pid, signal); // it may have ended
            }
        }
    }
    Ok(ExitCode::FAILURE) // the signals never end
}

fn spawn() -> io::Result<Child> {
    let mut arguments = std::env::args_os();
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // Sockets that were meant for this process are the child's.
    command.args(arguments).env_remove("LISTEN_PID").spawn()
}

/// Waits for all that has ended; returns how the child did, if it is among them.
fn reap(child: Pid) -> io::Result<Option<WaitStatus>> {
    let mut ended = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == child => ended = Some(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(ended),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a shell makes of a status: a first process cannot end by a signal of its own.
fn exit_code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
