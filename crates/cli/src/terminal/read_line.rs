//! What comes of reading a line from a person.

/// The outcome of reading a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadLine {
    Line(String),
    /// Ctrl-C: the line is discarded.
    Interrupted,
    /// Ctrl-D, or the end of input.
    EndOfInput,
}
