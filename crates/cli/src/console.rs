//! The console: commands typed on a terminal, one after another.
//!
//! It knows no commands but its own. A line is split into words and run as on the command line; completion, colors and hints come
//! from the command tree.

use anyhow::Result;
use clap::Command;
use crossterm::cursor::MoveTo;
use crossterm::terminal::{Clear, ClearType};

use crate::color::{FAINT, paint};
use crate::completion;
use crate::console_line::arguments;
use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::terminal::line_editor::LineEditor;
use crate::terminal::read_line::ReadLine;
use crate::terminal::subprocess::CommandRunner;
use crate::terminal::{completer, select};

const LEAVE: &str = "exit";
const CLEAR: &str = "clear";
const HISTORY: &str = "history";

/// The commands of the console: those of the command line, and some of its own.
pub(crate) fn tree() -> Command {
    completion::tree()
        .subcommand(Command::new(LEAVE).visible_alias("quit").about("Leave the console"))
        .subcommand(Command::new(CLEAR).visible_alias("cls").about("Clear the screen"))
        .subcommand(Command::new("version").about("Print the version"))
        .disable_version_flag(true)
}

pub(crate) fn run(context: &Context) -> Result<ExitStatus> {
    let printer = &context.printer;
    let colors = printer.colors.stdout;
    let runner = CommandRunner::new(context)?;
    let history = context.home()?.root().join(HISTORY);
    let mut lines = LineEditor::new(completer::hooks(tree()), &history, colors);
    let about = "`help` shows the commands, `menu` offers them, Tab completes, Ctrl-D leaves";
    printer.line(format_args!("Beep Python Runtime {}: {}", env!("CARGO_PKG_VERSION"), paint(colors, FAINT, about)));
    offer_runtime(context, &runner)?;
    let (prompt, more) = ("beep-python> ", "         ... ");
    let mut tree = tree();
    tree.build();
    loop {
        let line = match lines.read(prompt, more)? {
            ReadLine::Line(line) => line,
            ReadLine::Interrupted => continue,
            ReadLine::EndOfInput => return Ok(ExitStatus::Success),
        };
        let words = arguments(&line, &tree);
        match words.first().map(|word| word.to_ascii_lowercase()).as_deref() {
            None => {}
            Some(LEAVE | "quit") => return Ok(ExitStatus::Success),
            Some(CLEAR | "cls") => {
                crossterm::execute!(std::io::stdout(), Clear(ClearType::All), Clear(ClearType::Purge), MoveTo(0, 0))?;
            }
            Some(_) => runner.run(context, &words),
        }
    }
}

/// Without a Python little works, so offer to install one.
fn offer_runtime(context: &Context, runner: &CommandRunner) -> Result<()> {
    if !context.runtimes()?.list()?.is_empty() {
        return Ok(());
    }
    context.printer.line("There is no Python runtime yet.");
    if select::confirm("Install one now? It is downloaded, or one of this machine is used.")? {
        runner.run(context, &["init".to_owned()]);
    } else {
        context.printer.line("`init` installs one at any time.");
    }
    Ok(())
}
