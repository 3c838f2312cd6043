//! The command line: global options and the command.

use std::ffi::OsString;

use clap::{ColorChoice, Command as Tree, CommandFactory, Parser};

use crate::commands::Command;
use crate::environment_variables::help_section;

/// Embed Python in any application: install Python runtimes, manage virtual environments, and run servers that
/// evaluate code, hold objects and call methods, with typed results. Without a command, on a terminal, opens a console.
#[derive(Parser)]
#[command(name = "beep-python", version, after_help = help_section())]
pub(crate) struct Cli {
    /// Print results as JSON, for programs to read
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// When to use colors; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_possible_values = true)]
    pub(crate) color: ColorChoice,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Words that stand for a command or an option where a command is expected.
const SYNONYMS: [(&str, &str); 2] = [("version", "--version"), ("?", "help")];

/// The arguments of a command line, with commands as they are called: `VENV List` is `venv list`.
pub(crate) fn arguments(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = given.into_iter().collect();
    let tree = Cli::command();
    let mut at = 1;
    let mut group: &Tree = &tree;
    while let Some(word) = arguments.get(at).and_then(|word| word.to_str()) {
        at += 1;
        if word.starts_with('-') {
            at += usize::from(word == "--color"); // its value
            continue;
        }
        let synonym = SYNONYMS.iter().find(|(known, _)| at_top(group) && known.eq_ignore_ascii_case(word));
        if let Some((_, meant)) = synonym {
            arguments[at - 1] = meant.into();
            continue;
        }
        let named =
            |command: &&Tree| command.get_name_and_visible_aliases().iter().any(|name| name.eq_ignore_ascii_case(word));
        match group.get_subcommands().find(named) {
            Some(command) => {
                arguments[at - 1] = command.get_name().into();
                group = command;
            }
            // Names of commands follow it.
            None if at_top(group) && word.eq_ignore_ascii_case("help") => arguments[at - 1] = "help".into(),
            None => break,
        }
    }
    arguments
}

fn at_top(group: &Tree) -> bool {
    group.get_name() == "beep-python"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_in_any_case_and_names_as_they_are() {
        let taken = |line: &str| {
            let words = arguments(line.split(' ').map(OsString::from));
            words.iter().map(|word| word.to_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        for (given, expected) in [
            ("b VENV Create MyName", "b venv create MyName"),
            ("b --color never STATUS", "b --color never status"),
            ("b Venv LS", "b venv list"),
            ("b ? VENV", "b help venv"),
            ("b HELP Start", "b help start"),
            ("b Version", "b --version"),
            ("b eval VERSION", "b eval VERSION"),
            ("b nonsense STATUS", "b nonsense STATUS"),
        ] {
            assert_eq!(taken(given), expected);
        }
    }

    #[test]
    fn command_definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
