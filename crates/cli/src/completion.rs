//! Completion of commands, options and names, for shells and for the console: both use the command tree.

use anyhow::Result;
use clap::{Command, CommandFactory};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::CompleteEnv;

use crate::command_line::Cli;
use crate::commands::completions::VARIABLE;
use crate::inventory::{self, Name};

/// Answers a shell that asks for completions, and exits; returns if none does.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(tree).var(VARIABLE).complete();
}

/// The command tree, with completers for arguments that take names.
pub(crate) fn tree() -> Command {
    with_names(Cli::command(), "")
}

fn with_names(command: Command, path: &str) -> Command {
    let command = command.mut_args(|arg| match completer_for(path, arg.get_id().as_str()) {
        Some(names) => arg.add(ArgValueCandidates::new(move || candidates(names))),
        None => arg,
    });
    command.mut_subcommands(|sub| {
        let path = format!("{path} {}", sub.get_name());
        with_names(sub, path.trim_start())
    })
}

/// The completer for an argument, by its name. A new command whose arguments have the usual names is completed like the
/// others.
fn completer_for(path: &str, argument: &str) -> Option<fn() -> Result<Vec<Name>>> {
    let group = path.split(' ').next().unwrap_or_default();
    Some(match (group, argument) {
        _ if path == "venv create" && argument == "name" => inventory::providers,
        (_, "venv" | "environment") | ("venv", "name" | "names" | "from") => inventory::environments,
        ("provider", "name") | (_, "provider") => inventory::providers,
        (_, "server" | "servers") => inventory::servers,
        ("token", "name") if path != "token create" => inventory::tokens,
        (_, "session" | "sessions") => inventory::sessions,
        ("runtime", "id" | "ids" | "runtime") => inventory::runtimes,
        (_, "python" | "pythons") => inventory::versions,
        _ => return None,
    })
}

/// The names as candidates; none on an error, since completion cannot show one.
fn candidates(names: fn() -> Result<Vec<Name>>) -> Vec<CompletionCandidate> {
    let names = names().unwrap_or_default().into_iter().enumerate();
    names
        .map(|(at, Name { name, about })| {
            CompletionCandidate::new(name).help(Some(about.into())).display_order(Some(at))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every argument in the tree that has a completer, as `command.argument`.
    fn named(command: &Command, path: &str, found: &mut Vec<String>) {
        for arg in command.get_arguments().filter(|arg| arg.get::<ArgValueCandidates>().is_some()) {
            found.push(format!("{path}.{}", arg.get_id()));
        }
        for sub in command.get_subcommands() {
            named(sub, format!("{path} {}", sub.get_name()).trim(), found);
        }
    }

    #[test]
    fn arguments_that_take_a_name_have_a_completer() {
        let mut found = Vec::new();
        named(&tree(), "", &mut found);
        for expected in [
            "venv status.name",
            "venv clone.from",
            "python.session",
            "provider ensure.name",
            "bundle create.provider",
            "runtime install.pythons",
            "runtime remove.ids",
            "start.venv",
            "stop.server",
            "eval.session",
            "runtime use.id",
            "init.python",
            "token revoke.name",
        ] {
            assert!(found.iter().any(|named| named == expected), "{expected} is not among {found:?}");
        }
    }
}
