//! The console: commands typed on a terminal, one after the other.
//!
//! It knows no commands. What is typed is split into words and run as on the command line; completion, colors and
//! hints come from the command tree.

use std::io::IsTerminal;

use anyhow::Result;
use clap::Command;

use crate::ExitStatus;
use crate::color::{FAINT, paint};
use crate::completion;
use crate::context::Context;
use crate::error::CliError;
use crate::terminal::line_editor::{LineEditor, ReadLine};
use crate::terminal::shell_words::ShellWords;
use crate::terminal::subprocess::{CommandRunner, RunOutcome};
use crate::terminal::{completer, select};

const NAME: &str = "beep-python";
pub(crate) const LEAVE: &str = "exit";
const HISTORY: &str = "history";

/// Whether there is somebody to type.
pub(crate) fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// The commands that can be typed: those of the command line, and one to leave.
pub(crate) fn tree() -> Command {
    completion::tree()
        .subcommand(Command::new(LEAVE).visible_alias("quit").about("Leave the console"))
        .disable_version_flag(true)
}

pub(crate) fn run(context: &Context) -> Result<ExitStatus> {
    let printer = &context.printer;
    let colors = printer.colors.stdout;
    let runner = CommandRunner::new(context)?;
    let history = context.home()?.root().join(HISTORY);
    let mut lines = LineEditor::new(completer::hooks(), &history, colors);
    let about = "`help` shows the commands, `menu` offers them, Tab completes, Ctrl-D leaves";
    printer.line(format_args!("Beep Python Runtime {}: {}", env!("CARGO_PKG_VERSION"), paint(colors, FAINT, about)));
    offer_runtime(context, &runner)?;
    let (prompt, more) = ("beep-python> ", "         ... ");
    loop {
        let line = match lines.read(prompt, more)? {
            ReadLine::Line(line) => line,
            ReadLine::Interrupted => continue,
            ReadLine::EndOfInput => return Ok(ExitStatus::Success),
        };
        let mut words = ShellWords::parse(&line).into_texts();
        // As hints and documents write it.
        if words.first().is_some_and(|word| word == NAME) {
            words.remove(0);
        }
        match words.first().map(String::as_str) {
            None => {}
            Some(LEAVE | "quit") => return Ok(ExitStatus::Success),
            Some(_) => run_command(context, &runner, &words),
        }
    }
}

/// Runs a command; what it has to say of its failure it says itself.
pub(crate) fn run_command(context: &Context, runner: &CommandRunner, words: &[String]) {
    let failure = match runner.run(words) {
        Ok(RunOutcome::Success | RunOutcome::Failure) => return,
        Ok(RunOutcome::Interrupted) => CliError::Interrupted.into(),
        Ok(RunOutcome::Killed(signal)) => CliError::Killed { command: words.join(" "), signal }.into(),
        Err(error) => anyhow::Error::new(error).context(format!("cannot run {}", words.join(" "))),
    };
    context.printer.error(&failure, None);
}

/// Whoever has no Python yet cannot do much; it is one key away.
fn offer_runtime(context: &Context, runner: &CommandRunner) -> Result<()> {
    if !context.runtimes()?.list()?.is_empty() {
        return Ok(());
    }
    context.printer.line("There is no Python runtime yet.");
    if select::confirm("Get one now? It is downloaded, or one of this machine is used.")? {
        run_command(context, runner, &["init".to_owned()]);
    } else {
        context.printer.line("`init` gets one whenever you like.");
    }
    Ok(())
}
