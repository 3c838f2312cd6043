//! The command line: global options and the command.

use clap::{ColorChoice, Parser};

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
