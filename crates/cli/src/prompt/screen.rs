//! The output of running code, and the lines that it reads.

use crate::color::{FAINT, paint};
use crate::printer::Printer;
use crate::terminal::line_editor::{LineEditor, ReadLine};

const UNRESPONSIVE: &str = "the code does not react; Ctrl-C again kills its worker, and the session loses its state";

pub(super) struct Screen<'a>(pub(super) &'a Printer);

impl Screen<'_> {
    pub(super) fn output(&self, stdout: &str, stderr: &str) {
        self.0.raw(stdout);
        self.0.raw_note(stderr);
    }

    pub(super) fn display(&self, text: &str) {
        self.0.line(text);
    }

    /// Reads a line for `input()`; none if that fails.
    pub(super) fn ask(&self, prompt: &str) -> Option<ReadLine> {
        // Only the last line is the prompt.
        let (above, prompt) = prompt.rsplit_once('\n').map_or(("", prompt), |(above, prompt)| (above, prompt));
        if !above.is_empty() {
            self.0.line(above);
        }
        LineEditor::bare(self.0.colors.stdout).read(prompt, "").ok()
    }

    pub(super) fn unresponsive(&self) {
        self.0.note(paint(self.0.colors.stderr, FAINT, UNRESPONSIVE));
    }
}
