//! The tables of the reference, beside what there is.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::root;

const REFERENCE: &str = include_str!("../../../../docs/reference.md");

/// The first cells of the table under this heading, without their backquotes.
fn first_cells(heading: &str) -> BTreeSet<String> {
    let (_, section) = REFERENCE.split_once(&format!("\n## {heading}\n")).expect("the heading is there");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

/// Each command of the program that does something: `init`, `venv create` and so on; `help` is left out.
fn commands() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut unread = vec![String::new()];
    while let Some(command) = unread.pop() {
        let mut help = Command::new(env!("CARGO_BIN_EXE_beep-python"));
        let help = help.args(command.split_whitespace()).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
        // A description that goes on in the next line is indented further.
        let names =
            listed.lines().filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
        let below: Vec<String> = names.filter(|name| *name != "help").map(|name| format!("{command} {name}")).collect();
        if below.is_empty() {
            found.insert(command.trim().to_owned());
        }
        unread.extend(below);
    }
    found
}

#[test]
fn reference_lists_every_command() {
    let listed: BTreeSet<String> = first_cells("Commands").iter().map(|row| name_of(row)).collect();
    assert_eq!(listed, commands());
}

/// `venv create NAME [MODEL]` is listed for `venv create`.
fn name_of(row: &str) -> String {
    let is_name = |word: &&str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
    };
    row.split(' ').take_while(is_name).collect::<Vec<_>>().join(" ")
}

#[test]
fn reference_lists_every_variable() {
    let mut used = BTreeSet::new();
    let mut folders: Vec<_> =
        ["cli/src", "client/src", "protocol/src", "runtime/src", "runtime/python/beep_python", "server/src"]
            .map(|folder| root().join("crates").join(folder))
            .into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => used.extend(variables(&path)),
            }
        }
    }
    let listed: BTreeSet<String> =
        first_cells("Environment variables").into_iter().filter(|name| name.starts_with(OURS)).collect();
    assert_eq!(listed, used);
}

const OURS: &str = "BEEP_PYTHON_";

/// The variables that a file names.
fn variables(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let is_name = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    let names = text.match_indices(OURS).map(|(at, _)| text[at..].split(|letter| !is_name(letter)).next().unwrap());
    names.filter(|name| name.len() > OURS.len()).map(str::to_owned).collect()
}
