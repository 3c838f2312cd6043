//! Whether a text of Python is complete, and how its next line is indented: told from brackets, strings and line ends alone, since the
//! session may be busy. As at Python's own prompt, a block ends with an empty line; what is wrong is run, to say so.

const INDENT: &str = "    ";
/// What begins a statement with a block.
const COMPOUND: [&str; 14] = [
    "if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class", "async", "match", "case",
];
/// What ends a block.
const LAST: [&str; 5] = ["return", "raise", "pass", "break", "continue"];

/// The indentation of the next line if the text is incomplete; none if it can run.
pub(super) fn continuation(text: &str) -> Option<String> {
    // A line with only the indentation that was suggested is empty.
    let end = text.trim_end_matches([' ', '\t']);
    let text = if end.ends_with('\n') { end } else { text };
    if text.starts_with(['%', '!']) {
        return has_more(text).then(String::new);
    }
    let scan = Scan::of(text);
    match scan.end {
        End::InString => Some(String::new()),
        End::InBrackets | End::Backslash => Some(indent(text, &scan)),
        End::Wrong => None,
        End::Whole => (scan.is_block && scan.has_colon && !text.ends_with('\n')).then(|| indent(text, &scan)),
    }
}

/// Whether a line of IPython's goes on: behind a backslash, or as `%%` to an empty line.
fn has_more(text: &str) -> bool {
    text.ends_with('\\') || (text.starts_with("%%") && !text.ends_with('\n'))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    InString,
    InBrackets,
    Backslash,
    /// A bracket or a quote is too many.
    Wrong,
}

struct Scan {
    end: End,
    /// Whether the last statement that is not indented has a block, or decorates one that comes.
    is_block: bool,
    /// Whether the last statement with a block has the colon that it needs; without it is wrong, and waits for nothing.
    has_colon: bool,
    /// The last character that is neither blank nor comment, and in which line.
    last: Option<(char, usize)>,
}

impl Scan {
    fn of(text: &str) -> Scan {
        let mut scan = Scan { end: End::Whole, is_block: false, has_colon: false, last: None };
        let (mut brackets, mut line, mut at, mut begins) = (Vec::new(), 0, 0, true);
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            if begins && brackets.is_empty() {
                begins = false;
                scan.begin_line(rest);
            }
            match c {
                '#' => {
                    at += rest.find('\n').unwrap_or(rest.len());
                    continue;
                }
                '\n' => {
                    line += 1;
                    begins = brackets.is_empty();
                }
                '\\' if matches!(rest[1..].trim_end_matches('\r'), "" | "\n") => {
                    scan.end = End::Backslash;
                    return scan;
                }
                '\\' if rest[1..].starts_with('\n') => {
                    line += 1;
                    at += 1;
                }
                '\'' | '"' => {
                    let Some(length) = string(rest, c) else {
                        scan.end = if rest.starts_with(&triple(c)) { End::InString } else { End::Wrong };
                        return scan;
                    };
                    line += rest[..length].matches('\n').count();
                    scan.last = Some((c, line));
                    at += length;
                    continue;
                }
                ':' => scan.has_colon |= brackets.is_empty(),
                '(' | '[' | '{' => brackets.push(c),
                ')' | ']' | '}' => match (brackets.pop(), c) {
                    (Some('('), ')') | (Some('['), ']') | (Some('{'), '}') => {}
                    _ => {
                        scan.end = End::Wrong;
                        return scan;
                    }
                },
                _ => {}
            }
            if !c.is_whitespace() {
                scan.last = Some((c, line));
            }
            at += c.len_utf8();
        }
        if !brackets.is_empty() {
            scan.end = End::InBrackets;
        }
        scan
    }

    /// A logical line begins.
    fn begin_line(&mut self, line: &str) {
        let line = line.split('\n').next().unwrap_or_default();
        if line.starts_with([' ', '\t', '#']) || line.trim().is_empty() {
            return; // it belongs to the statement before, or is none
        }
        let word = word(line);
        let is_soft =
            matches!(word, "match" | "case") && !line.split('#').next().unwrap_or_default().trim_end().ends_with(':');
        self.has_colon = line.starts_with('@');
        self.is_block = line.starts_with('@') || (COMPOUND.contains(&word) && !is_soft);
    }
}

fn word(line: &str) -> &str {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()
}

fn triple(quote: char) -> String {
    String::from(quote).repeat(3)
}

/// The length of the string that the text begins with; none where it does not end.
fn string(text: &str, quote: char) -> Option<usize> {
    let triple = triple(quote);
    let close = if text.starts_with(&triple) { triple.as_str() } else { &triple[..1] };
    let mut at = close.len();
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with(close) {
            return Some(at + close.len());
        }
        if c == '\n' && close.len() == 1 {
            return None;
        }
        at += c.len_utf8();
        if c == '\\' {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    None
}

fn indent(text: &str, scan: &Scan) -> String {
    let lines = text.trim_end_matches('\n').split('\n').collect::<Vec<_>>();
    let line = lines.last().copied().unwrap_or_default();
    let own = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
    let opens = matches!(scan.last, Some((':' | '(' | '[' | '{', at)) if at + 1 == lines.len());
    if opens {
        return format!("{own}{INDENT}");
    }
    if scan.end == End::Whole && LAST.contains(&word(line.trim_start())) {
        return own.strip_suffix(INDENT).unwrap_or("").to_owned();
    }
    own.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_run() {
        for text in [
            "",
            "1 + 1",
            "x = 1",
            "x = (1,\n     2)",
            "'''\n  text'''",
            "x = '''a\n\"\"\" '''",
            "def f():\n    return 1\n",
            "def f():\n    return 1\n    ",
            "for n in a:\n    n\nelse:\n    m\n",
            "x = 1\ny = 2",
            "x = 1\ndef f(): pass\n",
            "def f():\n    pass\n\nf()",
            "await thing()",
            "x = 1\nawait thing()",
            "# a comment",
            "# if (",
            "if x: y\n",
            "class A: pass\n",
            "match = 1",
            "match(x)",
            "iffy = 1",
            "d[':']",
            "x = 1 \\\n+ 2",
            "f'{x}' + \"(\"",
            "lambda: 1",
            "%timeit f(",
            "!echo 'it",
            "%%time\nx\n",
            "f?",
        ] {
            assert_eq!(continuation(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_run_to_say_so() {
        for text in [
            "for n in x print(n)",
            "if x",
            "def f()",
            "else",
            "class A(B)",
            "while f(lambda: 1)",
            "1 +* 2",
            "x = 1\ny z",
            ")",
            "(]",
            "  x",
            "'abc",
            "x = 1\n  y",
            "return 1 1",
            "\0",
            "def f():\n\n",
        ] {
            assert_eq!(continuation(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_needs_more_and_how_it_is_indented() {
        for (text, indent) in [
            ("def f():", "    "),
            ("def f():  # why", "    "),
            ("def f():\n    x = 1", "    "),
            ("def f():\n    if x:", "        "),
            ("def f():\n    if x:\n        return 1", "    "),
            ("def f():\n    return 1", ""),
            ("def f():\n    x = 1\n\n    y = 2", "    "),
            ("if x: y", ""),
            ("x = (", "    "),
            ("x = (1,", ""),
            ("x = '''", ""),
            ("def f():\n    '''text", ""),
            ("x = 1\nfor y in z:", "    "),
            ("x = 1\nfor y in z:\n    y", "    "),
            ("@thing", ""),
            ("a = 1 + \\", ""),
            ("try:\n    x\nexcept E:", "    "),
            ("async with a as b:", "    "),
            ("%%time", ""),
            ("%%time\nx = [", ""),
            ("!ls \\", ""),
            ("match x:", "    "),
            ("match x:\n    case 1:", "        "),
            ("if (a and\n    b):", "        "),
        ] {
            assert_eq!(continuation(text).as_deref(), Some(indent), "{text:?}");
        }
    }
}
