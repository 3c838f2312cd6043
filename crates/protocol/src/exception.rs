//! Python exceptions on the wire.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A Python exception, its traceback, and what caused it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PythonException {
    /// The class: `ValueError`, or with its module if that is not `builtins`: `json.decoder.JSONDecodeError`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `str(exception)`.
    pub message: String,
    /// The frames, outermost first; those of the host's own code are left out.
    pub traceback: Vec<Frame>,
    /// The exception that it was raised from, or while handling which it was raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<PythonException>>,
    /// The notes of `add_note`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// For a `SyntaxError`: where in the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syntax: Option<SyntaxLocation>,
    /// Of a `SystemExit`, or of a class that derives from it: the status with which Python would exit.
    #[serde(rename = "exitStatus", skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<u8>,
    /// What Python would print before, without a traceback.
    #[serde(rename = "exitMessage", skip_serializing_if = "Option::is_none")]
    pub exit_message: Option<String>,
    /// The members of an exception group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<PythonException>,
}

impl fmt::Display for PythonException {
    /// The class and the message; with `{:#}` the whole report, as Python prints an uncaught exception.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.write_report(f, "");
        }
        self.write_summary(f)
    }
}

impl std::error::Error for PythonException {}

impl PythonException {
    fn write_summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }

    fn write_report(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        if let Some(cause) = &self.cause {
            cause.write_report(f, indent)?;
            write!(f, "\n\n{indent}That led to the following exception:\n\n")?;
        }
        write_traceback(f, &self.traceback, indent)?;
        if let Some(syntax) = &self.syntax {
            writeln!(f, "{indent}  line {}", syntax.line)?;
            for line in [&syntax.text, &syntax.caret] {
                writeln!(f, "{indent}    {}", line.trim_end())?;
            }
        }
        f.write_str(indent)?;
        self.write_summary(f)?;
        for note in self.notes.iter().flat_map(|note| note.lines()) {
            write!(f, "\n{indent}{note}")?;
        }
        let deeper = format!("{indent}  | ");
        for (at, member) in self.exceptions.iter().enumerate() {
            writeln!(f, "\n{indent}  +- {}", at + 1)?;
            member.write_report(f, &deeper)?;
        }
        Ok(())
    }
}

fn write_traceback(f: &mut impl fmt::Write, traceback: &[Frame], indent: &str) -> fmt::Result {
    if !traceback.is_empty() {
        writeln!(f, "{indent}Traceback (most recent call last):")?;
    }
    for frame in traceback {
        writeln!(f, "{indent}  File \"{}\", line {}, in {}", frame.file, frame.line, frame.function)?;
        if let Some(code) = &frame.code {
            writeln!(f, "{indent}    {}", code.trim())?;
        }
    }
    Ok(())
}

/// A traceback without an exception, as Python writes it, without a final line end.
pub(crate) fn report(traceback: &[Frame]) -> String {
    let mut out = String::new();
    let _ = write_traceback(&mut out, traceback, ""); // a string takes all
    out.truncate(out.trim_end().len());
    out
}

/// One frame of a traceback.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    /// The file, or `<session N>` for code that a client sent.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The function, or `<module>`.
    pub function: String,
    /// The text of the line, if it is known.
    pub code: Option<String>,
    /// The variables of the frame, as the shortened `repr` of each, if the call asked for them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub locals: BTreeMap<String, String>,
}

/// The place of a `SyntaxError` in the source. Lines and columns count from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SyntaxLocation {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
    /// The text of the line.
    pub text: String,
    /// A line of spaces and carets that points into `text`.
    pub caret: String,
}
