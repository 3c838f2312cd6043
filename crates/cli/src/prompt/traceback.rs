//! An exception as Python prints it, in colors.

use beep_python_client::PythonException;

use crate::color::{ERROR, FAINT, OPTION, TEXT, paint};

/// The traceback of an exception, without a final line end.
pub(super) fn painted(exception: &PythonException, colors: bool) -> String {
    let report = format!("{exception:#}");
    if !colors {
        return report;
    }
    let lines: Vec<_> = report.lines().map(painted_line).collect();
    lines.join("\n")
}

fn painted_line(line: &str) -> String {
    // Members of an exception group stand behind bars.
    let body = line.trim_start_matches([' ', '|', '+']);
    let (margin, body) = match body.len() == line.trim_start().len() {
        true => ("", line),
        false => line.split_at(line.rfind("| ").map_or(0, |at| at + 2)),
    };
    let text = body.trim_start();
    let style = match text {
        _ if text.starts_with("File \"") => Some(OPTION),
        _ if text.contains("Traceback (most recent call last):") || is_between(text) => Some(FAINT),
        _ if !text.is_empty() && text.chars().all(|c| matches!(c, '^' | '~' | ' ')) => Some(ERROR),
        _ if body.starts_with("    ") => Some(TEXT),
        _ => None,
    };
    if let Some(style) = style {
        return format!("{margin}{}", paint(true, style, body));
    }
    // The class stands out; its message follows as it is.
    match body.split_once(':') {
        Some((kind, message)) if is_class(kind) => format!("{margin}{}:{message}", paint(true, ERROR, kind)),
        None if is_class(body) => format!("{margin}{}", paint(true, ERROR, body)),
        _ => line.to_owned(),
    }
}

/// Whether the line tells how two exceptions belong together.
fn is_between(text: &str) -> bool {
    text.starts_with("The above exception was") || text.starts_with("During handling of the above")
}

fn is_class(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}

#[cfg(test)]
mod tests {
    use beep_python_client::protocol::Frame;

    use super::*;

    fn stripped(text: &str) -> String {
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("\x1b[") {
            plain.push_str(before);
            rest = after.split_once('m').map_or("", |(_, rest)| rest);
        }
        plain + rest
    }

    #[test]
    fn colors_leave_the_text_unchanged() {
        let frame = Frame {
            file: "<session 1>".into(),
            line: 2,
            function: "f".into(),
            code: Some("x = {1: [a | b]}".into()),
            ..Frame::default()
        };
        let inner = PythonException {
            kind: "json.decoder.JSONDecodeError".into(),
            message: "Expecting value: line 1\n  second line".into(),
            traceback: vec![frame],
            ..PythonException::default()
        };
        let group = PythonException {
            kind: "ExceptionGroup".into(),
            message: "two (2 sub-exceptions)".into(),
            exceptions: vec![inner.clone(), PythonException { kind: "KeyboardInterrupt".into(), ..inner.clone() }],
            cause: Some(Box::new(inner)),
            ..PythonException::default()
        };
        let painted_group = painted(&group, true);
        assert_eq!(stripped(&painted_group), format!("{group:#}"));
        assert!(painted_group.contains("\x1b[1;31mjson.decoder.JSONDecodeError\x1b[0m: Expecting value"));
        assert_eq!(painted(&group, false), format!("{group:#}"));
    }
}
