//! What the terminal can do.

use std::io::{IsTerminal, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the terminal does not do what its name says.
static IS_POOR: AtomicBool = AtomicBool::new(false);

/// The terminal does not say where its cursor is: from here on it counts as dumb.
pub(super) fn count_as_dumb() {
    IS_POOR.store(true, Ordering::Relaxed);
}

pub(super) fn counts_as_dumb() -> bool {
    IS_POOR.load(Ordering::Relaxed)
}

/// Whether a person can type: standard input and output are a terminal.
pub(crate) fn is_interactive() -> bool {
    stdin().is_terminal() && stdout().is_terminal()
}

/// What clears the line with the cursor; nothing where standard output is no terminal that can do that.
pub(crate) fn clear_line() -> &'static str {
    if stdout().is_terminal() && !is_dumb() { "\r\x1b[2K" } else { "" }
}

/// Whether the terminal can only write one line after another.
pub(crate) fn is_dumb() -> bool {
    counts_as_dumb() || std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}
