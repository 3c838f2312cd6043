//! A line of the console as the arguments of a command. Code is taken as it is typed: nobody quotes it there for a shell.

use clap::{ArgAction, Command};

use crate::terminal::shell_words::{ShellWords, Word};

/// Hints and documents begin with it.
const NAME: &str = "beep-python";

/// The positional argument that is code.
const CODE: &str = "code";

/// The arguments that a line stands for.
pub(crate) fn arguments(line: &str, tree: &Command) -> Vec<String> {
    let words = ShellWords::parse(line).words;
    let words = if words.first().is_some_and(|word| word.text == NAME) { &words[1..] } else { &words[..] };
    let texts = |words: &[Word]| words.iter().map(|word| word.text.clone()).collect::<Vec<_>>();
    let Some((name, rest)) = words.split_first() else { return Vec::new() };
    let command = tree.get_subcommands().find(|command| command.get_name().eq_ignore_ascii_case(&name.text));
    let Some(command) = command.filter(|command| command.get_positionals().any(|arg| arg.get_id() == CODE)) else {
        return texts(words);
    };
    let begin = options_end(rest, command);
    let (options, rest) = rest.split_at(begin);
    let end = rest.iter().position(|word| option(&word.text, command).is_some()).unwrap_or(rest.len());
    let (code, more) = rest.split_at(end);
    let code = match code {
        [] => return texts(words),
        // As on the command line: `-` and its arguments, and code that is quoted as a whole.
        [first, ..] if first.text == "-" => return texts(words),
        [only] if whole_quotes(&line[only.start..only.end]) => only.text.clone(),
        [first, ..] => line[first.start..code[code.len() - 1].end].to_owned(),
    };
    // Code may begin with a minus.
    [vec![name.text.clone()], texts(options), texts(more), vec!["--".to_owned(), code]].concat()
}

/// How many words the options take with which a command begins.
fn options_end(words: &[Word], command: &Command) -> usize {
    let mut end = 0;
    while let Some(takes_value) = words.get(end).and_then(|word| option(&word.text, command)) {
        end += if takes_value { 2 } else { 1 };
    }
    end.min(words.len())
}

/// Whether the word is an option of the command, and whether the next word is its value.
fn option(word: &str, command: &Command) -> Option<bool> {
    let name = word.strip_prefix("--")?;
    let (name, has_value) = name.split_once('=').map_or((name, false), |(name, _)| (name, true));
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name))?;
    Some(!has_value && matches!(arg.get_action(), ArgAction::Set | ArgAction::Append))
}

/// Whether the quotes with which the text begins end where it does: not so in `"a" + b` without blanks.
fn whole_quotes(text: &str) -> bool {
    let mut escaped = false;
    let Some(mark) = text.chars().next().filter(|mark| matches!(mark, '"' | '\'')) else { return false };
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if mark == '"' => escaped = true,
            c if c == mark => return at + 1 == text.len(),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tree;

    fn arguments_of(line: &str) -> Vec<String> {
        let mut tree = tree();
        tree.build();
        arguments(line, &tree)
    }

    #[test]
    fn code_is_taken_as_typed() {
        for (line, code) in [
            (r#"eval print("hi there")"#, r#"print("hi there")"#),
            ("eval 1 + 1", "1 + 1"),
            (r#"eval x = "a  b"; x"#, r#"x = "a  b"; x"#),
            (r#"eval "a"+"b""#, r#""a"+"b""#),
            (r#"EVAL -1 + 2"#, "-1 + 2"),
            (r#"eval open(r"C:\x")"#, r#"open(r"C:\x")"#),
            (r#"beep-python eval "'a b'.split()""#, "'a b'.split()"),
            (r#"eval 'print("x")'"#, r#"print("x")"#),
        ] {
            assert_eq!(arguments_of(line).last().unwrap(), code, "{line}");
        }
    }

    #[test]
    fn options_may_stand_before_code_and_after_it() {
        let expected = ["eval", "--venv", "my env", "--json", "--timeout=5s", "--", "len('a  b')"];
        assert_eq!(arguments_of("eval --venv 'my env' len('a  b') --json --timeout=5s"), expected);
    }

    #[test]
    fn other_lines_are_split_into_words() {
        assert_eq!(arguments_of(r"start --venv C:\x"), ["start", "--venv", r"C:\x"]);
        assert_eq!(arguments_of("eval - a 'b c'"), ["eval", "-", "a", "b c"]);
        assert_eq!(arguments_of("eval"), ["eval"]);
        assert_eq!(arguments_of("  "), [""; 0]);
    }
}
