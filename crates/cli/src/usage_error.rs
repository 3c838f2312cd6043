//! Wrong usage: reported as the parser reports it, with the usage of the command that was meant.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, Error};
use serde_json::json;

use crate::command_line::Cli;
use crate::terminal::shell_words::sh_quote;

/// Words of other tools, and what does the same here. Behind `venv` stand those that act on packages and environments.
const WORDS: [(&str, &str); 30] = [
    ("pip", "venv install"),
    ("install", "venv install"),
    ("add", "venv install"),
    ("uninstall", "venv uninstall"),
    ("remove", "venv uninstall"),
    ("packages", "venv packages"),
    ("freeze", "venv freeze"),
    ("tree", "venv tree"),
    ("lock", "venv lock"),
    ("sync", "venv sync"),
    ("create", "venv create"),
    ("env", "venv"),
    ("list", "venv list"),
    ("ls", "venv list"),
    ("rm", "venv delete"),
    ("delete", "venv delete"),
    ("repair", "venv repair"),
    ("exec", "run"),
    ("server", "status"),
    ("servers", "status"),
    ("sessions", "session list"),
    ("shell", "python"),
    ("repl", "python"),
    ("ps", "status"),
    ("kill", "stop"),
    ("doctor", "config"),
    ("check", "config"),
    ("use", "runtime use"),
    ("pythons", "runtime list"),
    ("console", "python"),
];

/// Adds what the words of other tools mean.
pub(crate) fn with_suggestion(mut error: Error) -> Error {
    let word = match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) => word.clone(),
        _ => return error,
    };
    hide_hidden(&mut error);
    // Of the command line itself: other groups have words of their own.
    let of_all = error.get(ContextKind::Usage).is_some_and(|usage| usage.to_string().contains("beep-python [OPTIONS]"));
    if let Some((_, meant)) = WORDS.iter().find(|(known, _)| *known == word).filter(|_| of_all) {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![(*meant).to_owned()]));
    } else if of_all && let Some(code) = typed_code(&word) {
        let how = format!("to evaluate Python code: `beep-python eval {code}`, or `beep-python python` for a prompt");
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![how.into()]));
    }
    error
}

/// Suggestions name no hidden command.
fn hide_hidden(error: &mut Error) {
    let Some(ContextValue::Strings(suggested)) = error.get(ContextKind::SuggestedSubcommand) else { return };
    let tree = Cli::command();
    let hidden = |name: &String| tree.find_subcommand(name).is_some_and(Command::is_hide_set);
    let shown: Vec<_> = suggested.iter().filter(|name| !hidden(name)).cloned().collect();
    match shown.is_empty() {
        true => error.remove(ContextKind::SuggestedSubcommand),
        false => error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(shown)),
    };
}

/// The code that was typed where a command belongs, quoted for a shell; none if it may have been a command.
fn typed_code(word: &str) -> Option<String> {
    let all: Vec<_> = std::env::args().skip_while(|argument| argument != word).collect();
    let all = all.join(" ");
    let is_code = all.starts_with(|c: char| !c.is_alphabetic()) || all.contains(['(', '[', '=', '+', '*', '\'', '"']);
    is_code.then(|| sh_quote(&all))
}

/// The error for options that exclude each other in the command at `path`, where the parser cannot know.
pub(crate) fn conflict(path: &[String], message: &str) -> Error {
    let mut tree = Cli::command();
    tree.build();
    let command: &mut Command =
        path.iter().fold(&mut tree, |command, name| command.find_subcommand_mut(name).expect("it was parsed"));
    command.error(ErrorKind::ArgumentConflict, message)
}

/// Prints the error and exits; with `--json`, an object that says the same.
pub(crate) fn exit(error: &Error, json: bool) -> ! {
    if !json || !error.use_stderr() {
        error.exit();
    }
    let text = error.render().to_string();
    let (said, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let said = said.trim_start_matches("error: ").trim();
    let rest: Vec<&str> = rest.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    eprintln!("{}", json!({"error": said, "causes": [], "hint": rest.join("; ")}));
    std::process::exit(error.exit_code());
}
