//! Commands that are run from the console, as processes of their own: they behave as on the command line because they
//! are, Ctrl-C ends one of them and not the console, and so does a crash.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::ColorChoice;
use tokio::signal::unix::{SignalKind, signal};

use super::echo_guard::Quiet;
use crate::context::Context;

/// Runs commands on the terminal that the console is on.
pub(crate) struct Foreground {
    program: PathBuf,
    /// What the console was told, and its commands are told again.
    options: Vec<String>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    Done,
    Failed,
    /// By Ctrl-C.
    Interrupted,
    /// By another signal, of this number.
    Killed(i32),
}

impl Foreground {
    /// From now on an interruption ends the command that runs, and not this program.
    pub(crate) fn new(context: &Context) -> Result<Foreground> {
        survive_interruptions()?;
        let mut options = Vec::new();
        options.extend(context.printer.is_json().then(|| "--json".to_owned()));
        match context.printer.colours.choice {
            ColorChoice::Auto => {}
            choice => options.push(format!("--color={choice}")),
        }
        Ok(Foreground { program: std::env::current_exe()?, options })
    }

    /// Runs the command and waits for its end.
    pub(crate) fn run(&self, words: &[String]) -> io::Result<Ran> {
        let status = {
            let _quiet = Quiet::begin();
            Command::new(&self.program).args(&self.options).args(words).status()?
        };
        Ok(match status.signal() {
            Some(number) if number == SignalKind::interrupt().as_raw_value() => Ran::Interrupted,
            Some(number) => Ran::Killed(number),
            None if status.success() => Ran::Done,
            None => Ran::Failed,
        })
    }
}

/// Takes SIGINT and does nothing: processes that are started get its default action back, as they would not if it
/// were ignored.
fn survive_interruptions() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    // The handler stays for as long as the process.
    drop(signal(SignalKind::interrupt())?);
    Ok(())
}
