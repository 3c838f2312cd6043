//! Highlights Python source while it is typed, word by word, without parsing it.

use nu_ansi_term::Style;
use reedline::{Highlighter, StyledText};

use crate::color::{COMMAND, FAINT, OPTION, TEXT};

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

pub(super) struct Python;

impl Highlighter for Python {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        let mut rest = line;
        while !rest.is_empty() {
            let (length, style) = next(rest);
            let (piece, after) = rest.split_at(length);
            styled.push((style, piece.to_owned()));
            rest = after;
        }
        styled
    }
}

/// The length of the first piece of the text, in bytes, and its style.
fn next(text: &str) -> (usize, Style) {
    let first = text.chars().next().unwrap_or(' ');
    let until = |ends: &dyn Fn(char) -> bool| text.find(ends).unwrap_or(text.len());
    if first == '#' {
        return (until(&|c| c == '\n'), FAINT);
    }
    if matches!(first, '\'' | '"') {
        return (string(text, first), TEXT);
    }
    if first.is_alphanumeric() || first == '_' {
        let length = until(&|c| !(c.is_alphanumeric() || c == '_'));
        let word = &text[..length];
        // A prefix of a string belongs to it.
        let quote = text[length..].chars().next().filter(|c| matches!(c, '\'' | '"'));
        return match quote {
            Some(quote) if length <= 2 && word.chars().all(|c| "rbfutRBFUT".contains(c)) => {
                (length + string(&text[length..], quote), TEXT)
            }
            _ if KEYWORDS.contains(&word) => (length, COMMAND),
            _ if first.is_ascii_digit() => (length, OPTION),
            _ => (length, Style::new()),
        };
    }
    (until(&|c| c.is_alphanumeric() || matches!(c, '_' | '#' | '\'' | '"')), Style::new())
}

/// The length of the string literal that the text begins with; an open one reaches to the end.
fn string(text: &str, quote: char) -> usize {
    let triple = String::from(quote).repeat(3);
    let (open, close) = match text.starts_with(&triple) {
        true => (3, triple.as_str()),
        false => (1, &triple[..1]),
    };
    let mut at = open;
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with(close) {
            return at + close.len();
        }
        if c == '\n' && open == 1 {
            return at;
        }
        at += c.len_utf8();
        if c == '\\' {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn styles(line: &str) -> Vec<(Style, String)> {
        Python.highlight(line, 0).buffer
    }

    #[test]
    fn highlighting_keeps_every_character() {
        for line in
            ["", "x", "é = 'ü\\", "f\"a{b}\" # c\nd", "'''a\n'b' '''", "'open\nnext", "1e5 + 0x1F", "\\\n", "''''"]
        {
            assert_eq!(Python.highlight(line, 0).raw_string(), line);
        }
    }

    #[test]
    fn keywords_strings_and_comments_get_their_styles() {
        let found = styles("for x in rb'in': # in");
        let with = |style: Style| -> Vec<&str> {
            found.iter().filter(|(found, _)| *found == style).map(|(_, text)| text.as_str()).collect()
        };
        assert_eq!(with(COMMAND), ["for", "in"]);
        assert_eq!(with(TEXT), ["rb'in'"]);
        assert_eq!(with(FAINT), ["# in"]);
    }
}
