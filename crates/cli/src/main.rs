//! The command `beep-python`.
//!
//! One file a command under `commands`. They share how they print (`printer`), how they fail (`error`, `hints`), and how
//! they find an environment or a server (`environment`, `server`).

mod async_runtime;
mod audit;
mod color;
mod command_line;
mod commands;
mod completion;
mod console;
mod console_line;
mod context;
mod ctrl_c;
mod environment;
mod environment_variables;
mod error;
mod examples;
mod exit_status;
mod hidden_variables;
mod hints;
mod import_hint;
mod init_process;
mod inventory;
mod log_file;
mod log_writer;
mod logging;
mod printer;
mod progress;
mod prompt;
mod server;
mod signals;
mod supervise;
mod terminal;
mod usage_error;

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::color::Colors;
use crate::command_line::Cli;
use crate::commands::Command;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::log_writer::LogFormat;
use crate::terminal::detect::is_interactive;

fn main() -> ExitCode {
    signals::set_anew(&signals::OF_USERS);
    if init_process::is_first() {
        return init_process::run();
    }
    completion::answer_shell();
    let mut command = tree().color(Colors::choice_in(std::env::args_os()));
    let parsed = command.try_get_matches_from_mut(command_line::arguments(std::env::args_os()));
    let (cli, path) = match parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, command_path(&matches)))) {
        Ok(parsed) => parsed,
        Err(error) => usage_error::exit(&usage_error::with_suggestion(error), wants_json()),
    };
    let logs = match &cli.command {
        Some(Command::Serve(args)) => {
            let default = Some(logging::SERVER_DEFAULT);
            logging::init(default, args.log_format(), args.log_file(), args.audit().as_ref())
        }
        _ => logging::init(None, LogFormat::Text, None, None),
    };
    let context = Context::new(cli.json, Colors::new(cli.color), tree);
    let status = match cli.command {
        _ if logs.is_err() => logs.map(|()| ExitStatus::Success).map_err(Into::into),
        Some(command) => command.run(&context),
        None if is_interactive() => console::run(&context),
        None => Cli::command().print_help().map(|()| ExitStatus::Success).map_err(Into::into),
    };
    match status {
        Ok(ExitStatus::Signal(number)) => {
            signals::die_by(number);
            ExitCode::from(ExitStatus::Signal(number).code())
        }
        Ok(status) => match context.printer.write_error() {
            None => ExitCode::from(status.code()),
            Some(error) => {
                eprintln!("error: the result could not be written to standard output\ncaused by: {error}");
                ExitCode::from(1)
            }
        },
        Err(error) => {
            if let Some(CliError::ArgumentConflict(message)) = error.downcast_ref() {
                usage_error::exit(&usage_error::conflict(&path, message), context.printer.is_json());
            }
            context.printer.error(&error, hints::hint_for(&error, &context).as_deref());
            ExitCode::from(1)
        }
    }
}

/// All commands, with their help.
fn tree() -> clap::Command {
    examples::with_examples(Cli::command())
}

/// The names of the command and its subcommands: `venv`, `install`.
fn command_path(matches: &ArgMatches) -> Vec<String> {
    let first = matches.subcommand();
    let path = std::iter::successors(first, |(_, matches)| matches.subcommand());
    path.map(|(name, _)| name.to_owned()).collect()
}

/// Whether a command line that cannot be parsed asks for JSON. Behind `--` it is an argument.
fn wants_json() -> bool {
    std::env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--json")
}
