//! `run`: a program, as `python FILE` runs it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Signal, WaitStatus, getpid, getppid, set_child_subreaper, set_parent_process_death_signal};

use super::eval::TIMED_OUT;
use crate::context::Context;
use crate::environment::EnvironmentArgs;
use crate::environment_variables::TOKEN;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::server::settings::duration;
use crate::signals::pass_on_inherited;
use crate::supervise::{Supervisor, kill_children};

/// Long options of Python's own, whole or as they begin.
const OF_PYTHON: [&str; 3] = ["--check-hash-based-pycs", "--help-", "--version"];

#[derive(clap::Args)]
#[command(
    override_usage = "beep-python run [OPTIONS] FILE [ARGS]...",
    after_help = "\
Runs the environment's own Python in the place of this command, with the variables of an activated
environment: terminal, signals, exit status, all is as with `python FILE ARGS`. In place of FILE stands
whatever python takes: `-m MODULE`, `-c CODE`, `-`, a folder, a zip file, options as -X. Options of this
command stand before FILE. Without a server, the module beep_python is not there."
)]
pub(crate) struct Args {
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Time limit, such as 30s; a program that exceeds it is ended, and the command with status 124 [default: none]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// The script, and its arguments
    #[arg(
        value_name = "FILE",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_hint = clap::ValueHint::FilePath
    )]
    program: Vec<OsString>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let Args { environment, timeout, program } = args;
    if context.printer.is_json() {
        let conflict = "the argument '--json' cannot be used with 'run': a program prints what it likes";
        return Err(CliError::ArgumentConflict(conflict.to_owned()).into());
    }
    if let Some(option) = program.first().and_then(|first| first.to_str()).filter(|first| is_unknown(first)) {
        return Err(CliError::ArgumentConflict(format!("unexpected argument '{option}' found")).into());
    }
    let environment = environment.resolve(context)?;
    let mut command = environment.python_command()?;
    command.args(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_secret(name)) {
        command.env_remove(name);
    }
    pass_on_inherited(&mut command);
    let cannot_start = || format!("cannot start {}", environment.python.display());
    match timeout {
        None => Err(command.exec()).with_context(cannot_start),
        Some(timeout) => run_within(context, command, timeout).with_context(cannot_start),
    }
}

/// Runs it as a child, whose time is limited.
fn run_within(context: &Context, mut command: Command, timeout: Duration) -> Result<ExitStatus> {
    // What the program leaves is this process's own then.
    set_child_subreaper(Some(getpid()))?;
    let own = getpid();
    let end_with_parent = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have ended before.
        if getppid() == Some(own) { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
    };
    // SAFETY: prctl and getppid are async-signal-safe.
    unsafe { command.pre_exec(end_with_parent) };
    let supervisor = Supervisor::listen()?;
    let child = command.spawn()?;
    Ok(match supervisor.wait(&child, Some(timeout))? {
        Some(status) => exit_status(status),
        None => {
            kill_children();
            context.printer.error(&CliError::TimeLimit(timeout).into(), None);
            ExitStatus::Code(TIMED_OUT)
        }
    })
}

fn exit_status(status: WaitStatus) -> ExitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitStatus::Code(u8::try_from(code).unwrap_or(1)),
        (None, Some(signal)) => ExitStatus::Signal(signal),
        (None, None) => ExitStatus::Failure,
    }
}

/// Whether this stands where only options of this command and of Python do, and is none of them.
fn is_unknown(option: &str) -> bool {
    option.starts_with("--") && !OF_PYTHON.iter().any(|known| option.starts_with(known))
}

/// Whether a variable has a token of servers.
fn is_secret(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(TOKEN))
}
