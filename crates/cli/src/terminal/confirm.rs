//! A question before something is deleted.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use anyhow::Result;

/// Asks on the terminal; `y` agrees. Without a terminal the answer is no.
pub(crate) fn confirm_deletion(question: &str) -> Result<bool> {
    let (input, mut output) = (stdin(), stderr());
    if !input.is_terminal() || !output.is_terminal() {
        return Ok(false);
    }
    write!(output, "{question} [y/N] ")?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
