//! The first process of a container. What loses its parent there falls to it, and nobody else waits for that; and the kernel gives
//! it no signal that it does not handle. So the command runs in a child, and this process does these two things.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};

use rustix::process::WaitStatus;

use crate::hidden_variables::hide_all;
use crate::supervise::Supervisor;

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
    let supervisor = Supervisor::listen()?;
    let child = spawn()?;
    // The child has them, and hides the secret ones; its sessions can read what the kernel shows of this process.
    // SAFETY: this process has no other thread.
    unsafe { hide_all() };
    let ended = supervisor.wait(&child, None)?;
    Ok(ExitCode::from(ended.map_or(u8::MAX, exit_code)))
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

/// What a shell makes of a status: a first process cannot end by a signal of its own.
fn exit_code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
