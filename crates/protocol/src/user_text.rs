//! Text that people gave, in messages and as names.

/// The text in quotes, for a message: control characters are escaped, and everything else is as it was given. (Rust's `{:?}` would
/// double backslashes.)
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The name of a pipe, which may be given as Windows writes it: `\\.\pipe\NAME`.
pub fn pipe_name(text: &str) -> &str {
    const PREFIX: &str = r"\\.\pipe\";
    match text.get(..PREFIX.len()) {
        Some(start) if start.eq_ignore_ascii_case(PREFIX) => &text[PREFIX.len()..],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_as_it_was_given() {
        assert_eq!(quoted(r#"C:\new "é""#), r#""C:\new "é"""#);
        assert_eq!(quoted("a\nb\u{1b}[m"), r#""a\nb\u{1b}[m""#);
    }

    #[test]
    fn pipe_is_named_as_windows_does_or_plainly() {
        for text in ["mine", r"\\.\pipe\mine", r"\\.\PIPE\mine"] {
            assert_eq!(pipe_name(text), "mine");
        }
        assert_eq!(pipe_name(r"\\other\pipe\mine"), r"\\other\pipe\mine");
        assert_eq!(pipe_name("é"), "é");
    }
}
