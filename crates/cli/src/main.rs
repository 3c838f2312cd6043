//! The command `beep-python`.
//!
//! One file a command under `commands`; what they have in common is how they speak (`printer`), how they fail
//! (`complaint`, `hints`) and how they find an environment or a server (`environment`, `server`).

mod color;
mod commands;
mod completion;
mod console;
mod context;
mod environment;
mod error;
mod hints;
mod inventory;
mod printer;
mod progress;
mod prompt;
mod server;
mod terminal;

use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser};

use crate::color::Colors;
use crate::commands::Command;
use crate::context::Context;

/// A managed Python for any application: it fetches an interpreter, keeps virtual environments, and starts servers
/// through which code is evaluated, objects are held and methods called, with typed results. Without a command, on a
/// terminal, it opens a console for commands.
#[derive(Parser)]
#[command(name = "beep-python", version)]
struct Cli {
    /// Print facts as JSON, for programs to read
    #[arg(long, global = true)]
    json: bool,

    /// When to write in colors; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_possible_values = true)]
    color: ColorChoice,

    #[command(subcommand)]
    command: Option<Command>,
}

/// How a command status, other than by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExitStatus {
    /// All is well.
    Success,
    /// What was to be shown was shown, and it is a failure: an exception, a check that found something wrong.
    Failure,
}

fn main() -> ExitCode {
    completion::answer_shell();
    let mut command = Cli::command().color(Colors::choice_in(std::env::args_os()));
    let parsed = command.try_get_matches_from_mut(std::env::args_os());
    let cli = parsed.and_then(|matches| Cli::from_arg_matches(&matches)).unwrap_or_else(|error| error.exit());
    let context = Context::new(cli.json, Colors::new(cli.color));
    let status = match cli.command {
        Some(command) => command.run(&context),
        None if console::has_terminal() => console::run(&context),
        None => Cli::command().print_help().map(|()| ExitStatus::Success).map_err(Into::into),
    };
    match status {
        Ok(status) => match context.printer.write_error() {
            None if status == ExitStatus::Success => ExitCode::SUCCESS,
            None => ExitCode::from(1),
            Some(error) => {
                eprintln!("error: the result could not be written to standard output\ncaused by: {error}");
                ExitCode::from(1)
            }
        },
        Err(error) => {
            context.printer.error(&error, hints::hint_for(&error, &context).as_deref());
            ExitCode::from(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
