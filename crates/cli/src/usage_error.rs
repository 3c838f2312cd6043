//! Wrong usage: reported as the parser reports it, with the usage of the command that was meant.

use std::path::Path;

use beep_python_protocol::nearest;
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

/// Options of python's that are typed where a command belongs, and name what to run.
const OF_PYTHON: [&str; 2] = ["-c", "-m"];

/// Adds what the words of other tools mean, and what python takes.
pub(crate) fn with_suggestion(mut error: Error) -> Error {
    match (error.kind(), error.get(ContextKind::InvalidSubcommand), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word)), _) => {
            let word = word.clone();
            hide_hidden(&mut error);
            suggest_command(&mut error, &word);
        }
        (ErrorKind::UnknownArgument, _, Some(ContextValue::String(option))) if is_of_all(&error) => {
            let typed = typed_from(|word| OF_PYTHON.contains(&&option[..]) && word.starts_with(option.as_str()));
            if !typed.is_empty() {
                suggest(&mut error, format!("to run what python runs: `beep-python run {}`", sh_quote_all(&typed)));
            }
        }
        _ => {}
    }
    error
}

/// Whether an error is one of the command line itself: other groups have words of their own.
fn is_of_all(error: &Error) -> bool {
    error.get(ContextKind::Usage).is_some_and(|usage| usage.to_string().contains("beep-python [OPTIONS]"))
}

fn suggest_command(error: &mut Error, word: &str) {
    let tree = Cli::command();
    let group = group_of_help(&tree, word).filter(|_| error.get(ContextKind::SuggestedSubcommand).is_none());
    let commands: Vec<_> =
        group.into_iter().flat_map(Command::get_subcommands).filter(|sub| !sub.is_hide_set()).collect();
    let names: Vec<_> = commands.iter().map(|command| command.get_name()).collect();
    let of_all = is_of_all(error);
    if let Some((_, meant)) = WORDS.iter().find(|(known, _)| *known == word).filter(|_| of_all) {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![(*meant).to_owned()]));
    } else if let Some(meant) = nearest(word, &names) {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![meant.to_owned()]));
    } else if of_all && is_program(Path::new(word)) {
        error.remove(ContextKind::SuggestedSubcommand);
        let typed = typed_from(|argument| argument == word);
        suggest(error, format!("to run what python runs: `beep-python run {}`", sh_quote_all(&typed)));
    } else if of_all && let Some(code) = typed_code(word) {
        error.remove(ContextKind::SuggestedSubcommand);
        let how = format!("to evaluate Python code: `beep-python eval {code}`, or `beep-python python` for a prompt");
        suggest(error, how);
    }
}

fn suggest(error: &mut Error, how: String) {
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![how.into()]));
}

/// The group whose command `help GROUP WORD` asks for, for which the parser makes no suggestions.
fn group_of_help<'a>(tree: &'a Command, word: &str) -> Option<&'a Command> {
    let mut words = arguments().skip_while(|argument| argument.starts_with('-'));
    words.next().filter(|first| first.eq_ignore_ascii_case("help") || first == "?")?;
    words.take_while(|name| name != word).try_fold(tree, |group, name| group.find_subcommand(name))
}

/// Whether python runs what is at this path.
fn is_program(path: &Path) -> bool {
    path.is_file() || path.join("__main__.py").is_file()
}

/// The arguments from the first such one on.
fn typed_from(is_first: impl Fn(&str) -> bool) -> Vec<String> {
    arguments().skip_while(|argument| !is_first(argument)).collect()
}

/// What was typed. What is no UTF-8 is not told letter by letter.
fn arguments() -> impl Iterator<Item = String> {
    std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned())
}

fn sh_quote_all(words: &[String]) -> String {
    words.iter().map(|word| sh_quote(word)).collect::<Vec<_>>().join(" ")
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
    let all = typed_from(|argument| argument == word).join(" ");
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
