//! Splits a line into words: at blanks, except within quotes or after a backslash, like a shell. But it keeps what code and paths
//! of other systems are written with: quotes within a word (`print("a b")`), and backslashes that escape nothing (`C:\x`).

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
                (Some(Quote { mark, kept }), c) if c == mark => {
                    quote = None;
                    word.text.extend(kept.then_some(c));
                }
                (None, '\'' | '"') => {
                    // At the beginning of a word, or of an option's value, it is the line's; elsewhere it belongs to the word.
                    let kept = !(word.text.is_empty() || word.text.starts_with('-') && word.text.ends_with('='));
                    quote = Some(Quote { mark: c, kept });
                    word.text.extend(kept.then_some(c));
                }
                (Some(Quote { kept: true, .. }), '\\') => {
                    word.text.push(c);
                    // What it escapes does not end the quotes.
                    if let Some((at, next)) = chars.next() {
                        word.text.push(next);
                        word.end = at + next.len_utf8();
                    }
                }
                (None | Some(Quote { mark: '"', .. }), '\\') => match chars.peek().copied() {
                    Some((_, next)) if !is_escaped(next, quote.is_some()) => word.text.push('\\'),
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

/// Quotes that were opened.
#[derive(Clone, Copy)]
struct Quote {
    mark: char,
    /// Whether they belong to the word.
    kept: bool,
}

/// Whether a backslash before the character takes its meaning; before any other it is an ordinary character: `C:\new`.
fn is_escaped(next: char, quoted: bool) -> bool {
    matches!(next, '"') || if quoted { next == '\\' } else { next == '\'' || next.is_whitespace() }
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
        assert_eq!(texts(r#"'' "" 'a'b"#), ["", "", "ab"]);
        assert_eq!(texts(r#""C:\new" "\"" "\\" 'a\b'"#), [r"C:\new", "\"", "\\", r"a\b"]);
        assert_eq!(texts(""), [""; 0]);
    }

    #[test]
    fn quotes_within_a_word_and_backslashes_that_escape_nothing_are_kept() {
        assert_eq!(texts(r#"eval print("hi there")"#), ["eval", r#"print("hi there")"#]);
        assert_eq!(texts(r#"x=["a b", 'c']"#), [r#"x=["a b","#, "c]"]);
        assert_eq!(texts(r#"print("a\" b") d"#), [r#"print("a\" b")"#, "d"]);
        assert_eq!(texts(r#"--venv C:\x \\.\pipe\NAME é\é"#), ["--venv", r"C:\x", r"\\.\pipe\NAME", r"é\é"]);
        assert_eq!(texts(r#"--label="a b" --venv='C:\my x'"#), ["--label=a b", r"--venv=C:\my x"]);
    }

    #[test]
    fn open_quote_or_backslash_leaves_the_line_incomplete() {
        for open in ["'", "eval \"x", "a '\n", "a\\"] {
            assert!(ShellWords::parse(open).open, "{open:?}");
        }
        for whole in ["", "a", "'a'", "\"'\"", "a\\b"] {
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
        for text in [
            "",
            "plain",
            "a b",
            "it's \"so\"",
            "back\\slash",
            "\\\\.\\pipe\\x",
            "C:\\new \\\"",
            ">=3.11",
            "é ü",
            "line\nline",
        ] {
            assert_eq!(texts(&quote(text)), [text], "{text:?}");
        }
    }
}
