//! Splits a line into words like a shell: at blanks, except within quotes or after a backslash.

/// A word and its position, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Its text, without quotes.
    pub(crate) text: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The words of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShellWords {
    pub(crate) words: Vec<Word>,
    /// Whether the line ends within quotes or with a backslash, and so is incomplete.
    pub(crate) open: bool,
}

impl ShellWords {
    pub(crate) fn parse(line: &str) -> ShellWords {
        let mut out = ShellWords::default();
        let mut word: Option<Word> = None;
        let mut quote = None;
        let mut chars = line.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let ends = at + c.len_utf8();
            if quote.is_none() && c.is_whitespace() {
                out.words.extend(word.take());
                continue;
            }
            let word = word.get_or_insert_with(|| Word { text: String::new(), start: at, end: at });
            word.end = ends;
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '\'' | '"') => quote = Some(c),
                (None | Some('"'), '\\') => match chars.peek().copied() {
                    // Within double quotes a backslash before any other character is literal: "C:\new".
                    Some((_, next)) if quote.is_some() && !matches!(next, '"' | '\\') => word.text.push('\\'),
                    Some((at, next)) => {
                        chars.next();
                        word.text.push(next);
                        word.end = at + next.len_utf8();
                    }
                    None => out.open = true,
                },
                (_, c) => word.text.push(c),
            }
        }
        out.open |= quote.is_some();
        out.words.extend(word);
        out
    }

    pub(crate) fn into_texts(self) -> Vec<String> {
        self.words.into_iter().map(|word| word.text).collect()
    }
}

/// Quotes the text so that it is one word of a line.
pub(crate) fn quote(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=+,@%~<>[]".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Quotes the text so that it is one word for a shell, of which nothing is expanded.
pub(crate) fn sh_quote(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=+,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        ShellWords::parse(line).into_texts()
    }

    #[test]
    fn blanks_separate_words_except_within_quotes() {
        assert_eq!(texts("  venv   list "), ["venv", "list"]);
        assert_eq!(texts("eval 'a = 1; \"x\"' \"it's\" a\\ b"), ["eval", "a = 1; \"x\"", "it's", "a b"]);
        assert_eq!(texts(r#"a"b c"d '' """#), ["ab cd", "", ""]);
        assert_eq!(texts(r#""C:\new" "\"" "\\" 'a\b' é\é"#), [r"C:\new", "\"", "\\", r"a\b", "éé"]);
        assert_eq!(texts(""), [""; 0]);
    }

    #[test]
    fn open_quote_or_backslash_leaves_the_line_incomplete() {
        for open in ["'", "eval \"x", "a '\n", "a\\"] {
            assert!(ShellWords::parse(open).open, "{open:?}");
        }
        for whole in ["", "a", "'a'", "\"'\"", "a\\\\"] {
            assert!(!ShellWords::parse(whole).open, "{whole:?}");
        }
    }

    #[test]
    fn words_have_byte_positions() {
        let words = ShellWords::parse("é 'b c'").words;
        assert_eq!((words[1].start, words[1].end, words[1].text.as_str()), (3, 8, "b c"));
    }

    #[test]
    fn quoted_text_parses_to_itself() {
        for text in ["", "plain", "a b", "it's \"so\"", "back\\slash", "C:\\new \\\"", ">=3.11", "é ü", "line\nline"]
        {
            assert_eq!(texts(&quote(text)), [text], "{text:?}");
        }
    }
}
