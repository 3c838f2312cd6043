//! What comes of reading a line from a person.

use std::io::{self, BufRead};

/// The outcome of reading a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadLine {
    Line(String),
    /// Ctrl-C: the line is discarded.
    Interrupted,
    /// Ctrl-D, or the end of input.
    EndOfInput,
}

/// A line of standard input that is no terminal.
pub(super) fn stdin_line() -> io::Result<ReadLine> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Ok(ReadLine::EndOfInput);
    }
    if line.ends_with('\n') {
        line.pop();
    }
    Ok(ReadLine::Line(line))
}
