//! Runs commands of the console as processes of their own. They behave as on the command line, and Ctrl-C or a crash ends
//! one of them and not the console.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::ColorChoice;
use tokio::signal::unix::{SignalKind, signal};

use super::changed_modes::ChangedModes;
use crate::context::Context;
use crate::error::CliError;

/// Runs commands on the terminal of the console.
pub(crate) struct CommandRunner {
    program: PathBuf,
    /// Global options of the console, which its commands get too.
    options: Vec<String>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunOutcome {
    Success,
    Failure,
    /// By Ctrl-C.
    Interrupted,
    /// By another signal, of this number.
    Killed(i32),
}

impl CommandRunner {
    /// From now on Ctrl-C ends the running command and not this program.
    pub(crate) fn new(context: &Context) -> Result<CommandRunner> {
        survive_interruptions()?;
        let mut options = Vec::new();
        options.extend(context.printer.is_json().then(|| "--json".to_owned()));
        match context.printer.colors.choice {
            ColorChoice::Auto => {}
            choice => options.push(format!("--color={choice}")),
        }
        Ok(CommandRunner { program: std::env::current_exe()?, options })
    }

    /// Runs a command and waits for its end. It prints its own errors; how else it ended is printed here.
    pub(crate) fn run(&self, context: &Context, words: &[String]) {
        let error = match self.spawn_and_wait(words) {
            Ok(RunOutcome::Success | RunOutcome::Failure) => return,
            Ok(RunOutcome::Interrupted) => CliError::Interrupted.into(),
            Ok(RunOutcome::Killed(signal)) => CliError::Killed { command: words.join(" "), signal }.into(),
            Err(error) => anyhow::Error::new(error).context(format!("cannot run {}", words.join(" "))),
        };
        context.printer.error(&error, None);
    }

    fn spawn_and_wait(&self, words: &[String]) -> io::Result<RunOutcome> {
        let status = {
            let _guard = ChangedModes::without_echo_of_ctrl_c();
            Command::new(&self.program).args(&self.options).args(words).status()?
        };
        Ok(match status.signal() {
            Some(number) if number == SignalKind::interrupt().as_raw_value() => RunOutcome::Interrupted,
            Some(number) => RunOutcome::Killed(number),
            None if status.success() => RunOutcome::Success,
            None => RunOutcome::Failure,
        })
    }
}

/// Handles SIGINT by doing nothing. Child processes get its default action back, which they would not if it were ignored.
fn survive_interruptions() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    // The handler stays until the process ends.
    drop(signal(SignalKind::interrupt())?);
    Ok(())
}
