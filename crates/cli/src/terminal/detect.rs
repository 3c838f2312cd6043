//! What the terminal can do.

use std::io::{IsTerminal, stdin, stdout};

/// Whether a person can type: standard input and output are a terminal.
pub(crate) fn is_interactive() -> bool {
    stdin().is_terminal() && stdout().is_terminal()
}

/// Whether the terminal can only write one line after another.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}
