//! Completion, highlighting and hints for commands, from the command tree.

use std::ffi::OsString;
use std::sync::Arc;

use clap::Command;
use reedline::{Completer, DefaultHinter, Highlighter, Hinter, History, Span, StyledText, Suggestion};

use super::line_editor::EditorHooks;
use super::shell_words::{ShellWords, Word, quote};
use crate::color::{COMMAND, ERROR, FAINT, OPTION, TEXT};

pub(crate) fn hooks(tree: Command) -> EditorHooks {
    EditorHooks {
        completer: Box::new(CommandCompleter { tree: tree.clone() }),
        highlighter: Box::new(CommandCompleter { tree: tree.clone() }),
        hinter: Box::new(CommandHinter { tree, remembered: DefaultHinter::default().with_style(FAINT), hint: None }),
        continuation: Arc::new(|line| ShellWords::parse(line).open.then(String::new)),
    }
}

struct CommandCompleter {
    tree: Command,
}

impl Completer for CommandCompleter {
    fn complete(&mut self, line: &str, pos: usize) -> Vec<Suggestion> {
        let mut words = ShellWords::parse(&line[..pos]).words;
        if words.last().is_none_or(|word| word.end < pos) {
            words.push(Word { text: String::new(), start: pos, end: pos });
        }
        let typed = words.pop().expect("a word was just pushed");
        let mut arguments: Vec<OsString> = vec!["beep-python".into()];
        arguments.extend(words.into_iter().map(|word| word.text.into()));
        arguments.push(typed.text.clone().into());
        let at = arguments.len() - 1;
        let here = std::env::current_dir().ok();
        let mut found =
            clap_complete::engine::complete(&mut self.tree.clone(), arguments, at, here.as_deref()).unwrap_or_default();
        // The completer offers hidden ones where nothing else fits.
        found.retain(|one| !one.is_hide_set());
        // Offer options only if one was begun, or if nothing else fits.
        let is_option = |value: &std::ffi::OsStr| value.as_encoded_bytes().starts_with(b"-");
        if typed.text.is_empty() && found.iter().any(|one| !is_option(one.get_value())) {
            found.retain(|one| !is_option(one.get_value()));
        }
        let suggestion = |one: clap_complete::CompletionCandidate| {
            let value = one.get_value().to_str()?;
            Some(Suggestion {
                value: quote(value),
                display_override: Some(value.to_owned()),
                description: one.get_help().map(|help| first_line(&help.to_string())),
                span: Span::new(typed.start, pos),
                append_whitespace: !value.ends_with(['/', '=']),
                ..Suggestion::default()
            })
        };
        found.into_iter().filter_map(suggestion).collect()
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

impl Highlighter for CommandCompleter {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        let mut end = 0;
        let mut command = Some(&self.tree);
        for word in ShellWords::parse(line).words {
            styled.push((Default::default(), line[end..word.start].to_owned()));
            let raw = &line[word.start..word.end];
            let sub = command.and_then(|command| command.find_subcommand(&word.text));
            let style = match (sub, command) {
                (Some(_), _) => COMMAND,
                (None, _) if raw.starts_with('-') => OPTION,
                // The word may be the start of one.
                (None, Some(command)) if command.has_subcommands() => match is_prefix_of_command(command, &word.text) {
                    true => Default::default(),
                    false => ERROR,
                },
                _ if raw.starts_with(['\'', '"']) => TEXT,
                _ => Default::default(),
            };
            command = if sub.is_some() || raw.starts_with('-') { sub.or(command) } else { None };
            styled.push((style, raw.to_owned()));
            end = word.end;
        }
        styled.push((Default::default(), line[end..].to_owned()));
        styled
    }
}

fn is_prefix_of_command(command: &Command, begun: &str) -> bool {
    let mut known = command.get_subcommands().flat_map(Command::get_name_and_visible_aliases).chain(["help"]);
    known.any(|name| name.starts_with(&begun.to_ascii_lowercase()))
}

/// Hints: a line of the history that begins so; else the only matching command, or the arguments still needed.
struct CommandHinter {
    tree: Command,
    remembered: DefaultHinter,
    /// A hint from the tree, if the history has none.
    hint: Option<String>,
}

impl Hinter for CommandHinter {
    fn handle(&mut self, line: &str, pos: usize, history: &dyn History, colors: bool, cwd: &str) -> String {
        self.hint = None;
        let remembered = self.remembered.handle(line, pos, history, colors, cwd);
        if !remembered.is_empty() || pos < line.len() {
            return remembered;
        }
        let words = ShellWords::parse(line).words;
        let mut command = &self.tree;
        let mut rest = words.iter();
        let mut begun = None;
        for word in rest.by_ref() {
            match command.find_subcommand(&word.text) {
                Some(sub) => command = sub,
                None => {
                    begun = Some(word);
                    break;
                }
            }
        }
        let shown = match begun {
            // The rest of the only name that begins so.
            Some(word) if word.end == line.len() && rest.next().is_none() => {
                let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name);
                let mut names = shown.filter(|name| name.starts_with(&word.text));
                let only = names.next().filter(|_| names.next().is_none());
                self.hint = only.map(|name| name[word.text.len()..].to_owned()).filter(|hint| !hint.is_empty());
                self.hint.clone()
            }
            None if line.ends_with(' ') && !words.is_empty() => needed(command),
            _ => None,
        };
        let shown = shown.unwrap_or_default();
        if colors && !shown.is_empty() { FAINT.paint(shown).to_string() } else { shown }
    }

    fn complete_hint(&self) -> String {
        self.hint.clone().unwrap_or_else(|| self.remembered.complete_hint())
    }

    fn next_hint_token(&self) -> String {
        self.hint.clone().unwrap_or_else(|| self.remembered.next_hint_token())
    }
}

/// The arguments that a command takes, or its subcommands, for display.
fn needed(command: &Command) -> Option<String> {
    if command.has_subcommands() {
        let names: Vec<_> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name).collect();
        return (names.len() <= 12).then(|| names.join(" | "));
    }
    let mut wanted = Vec::new();
    for arg in command.get_positionals() {
        let name = match arg.get_value_names() {
            Some([name, ..]) => name.to_string(),
            _ => arg.get_id().as_str().to_uppercase(),
        };
        wanted.push(if arg.is_required_set() { name } else { format!("[{name}]") });
    }
    (!wanted.is_empty()).then(|| wanted.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tree;

    fn completed(line: &str) -> Vec<String> {
        let found = CommandCompleter { tree: tree() }.complete(line, line.len());
        found.into_iter().map(|one| one.value).collect()
    }

    #[test]
    fn commands_and_options_are_completed() {
        assert_eq!(completed("sta"), ["start", "status"]);
        assert!(completed("").contains(&"venv".to_owned()));
        assert!(!completed("").iter().any(|one| one.starts_with('-')));
        assert_eq!(completed("exi"), ["exit"]);
        assert_eq!(completed("venv cre"), ["create"]);
        assert!(completed("start http --ti").contains(&"--timeout".to_owned()));
        assert_eq!(completed("start h"), ["http"]);
        assert_eq!(completed("serv"), [""; 0], "`serve` is hidden");
    }

    #[test]
    fn completion_replaces_the_word_at_the_cursor() {
        let found = CommandCompleter { tree: tree() }.complete("venv cre later", 8);
        assert_eq!((found[0].span.start, found[0].span.end), (5, 8));
    }

    #[test]
    fn highlighting_keeps_every_character() {
        let commands = CommandCompleter { tree: tree() };
        for line in ["", "  ", "venv  create 'é", "nonsense --x \"y z\"", "eval \"a\nb\""] {
            let styled = commands.highlight(line, 0);
            assert_eq!(styled.raw_string(), line);
        }
    }
}
