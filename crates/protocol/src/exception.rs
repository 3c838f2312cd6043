//! Python exceptions on the wire.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What Python writes between an exception and the one that was raised from it.
const CAUSE: &str = "The above exception was the direct cause of the following exception:";
/// What Python writes between an exception and one that was raised while it was handled.
const CONTEXT: &str = "During handling of the above exception, another exception occurred:";

/// A Python exception, its traceback, and what caused it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PythonException {
    /// The class: `ValueError`, or with its module if that is not `builtins`: `json.decoder.JSONDecodeError`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `str(exception)`.
    pub message: String,
    /// What Python says behind the message: `Did you mean: 'path'?`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// The frames, outermost first; those of the host's own code are left out.
    pub traceback: Vec<Frame>,
    /// The exception that it was raised from, by `raise … from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<PythonException>>,
    /// The exception while handling which it was raised, where it has no cause and `from None` does not hide that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<PythonException>>,
    /// The notes of `add_note`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// For a `SyntaxError`: where in the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syntax: Option<Box<SyntaxLocation>>,
    /// Of a `SystemExit`, or of a class that derives from it: the status with which Python would exit.
    #[serde(rename = "exitStatus", skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<u8>,
    /// What Python would print before, without a traceback.
    #[serde(rename = "exitMessage", skip_serializing_if = "Option::is_none")]
    pub exit_message: Option<String>,
    /// The members of an exception group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<PythonException>,
    /// All of this as Python prints an uncaught exception, without a final line end. Only the outermost exception has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
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

    /// The text, or one made of the fields where there is none: it was too long for the headers of gRPC.
    fn write_report(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        if let Some(text) = &self.text
            && indent.is_empty()
        {
            return f.write_str(text);
        }
        let before = [(&self.cause, CAUSE), (&self.context, CONTEXT)];
        for (other, between) in before {
            if let Some(other) = other {
                other.write_report(f, indent)?;
                write!(f, "\n\n{indent}{between}\n\n")?;
            }
        }
        write_traceback(f, &self.traceback, indent)?;
        if let Some(syntax) = &self.syntax {
            writeln!(f, "{indent}  File \"{}\", line {}", syntax.file.as_deref().unwrap_or("<string>"), syntax.line)?;
            for line in [&syntax.text, &syntax.caret] {
                writeln!(f, "{indent}    {}", line.trim_end())?;
            }
        }
        f.write_str(indent)?;
        self.write_summary(f)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, ". {suggestion}")?;
        }
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
        for line in [&frame.code, &frame.caret].into_iter().flatten() {
            writeln!(f, "{indent}    {}", line.trim_end())?;
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    /// The file. Code that a client sent is `<session N>`, or a file in the temporary folder where it defines functions.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The function, or `<module>`.
    pub function: String,
    /// The text of the line, if it is known.
    pub code: Option<String>,
    /// Where in the line the code stands that ran, from 1 and in characters. From Python 3.11 on, where the source is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The line where it ends.
    #[serde(rename = "endLine", skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u32>,
    /// The column behind its end.
    #[serde(rename = "endColumn", skip_serializing_if = "Option::is_none")]
    pub end_column: Option<u32>,
    /// A line of spaces, `~` and `^` that points into `code`, where Python writes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caret: Option<String>,
    /// The variables of the frame, as the shortened `repr` of each, if the call asked for them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub locals: BTreeMap<String, String>,
}

/// The place of a `SyntaxError` in the source. Lines and columns count from 1.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SyntaxLocation {
    /// The file: `<session N>` for code that a client sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
    /// The text of the line.
    pub text: String,
    /// A line of spaces and carets that points into `text`.
    pub caret: String,
}
