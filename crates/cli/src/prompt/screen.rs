//! What code that runs shows, and the lines that it asks for.

use crate::color::{FAINT, paint};
use crate::printer::Printer;
use crate::terminal::line_editor::{LineEditor, ReadLine};

const RELUCTANT: &str = "it does not react yet; Ctrl-C again ends its worker, and all that the session holds";

pub(super) struct Screen<'a>(pub(super) &'a Printer);

impl Screen<'_> {
    pub(super) fn output(&self, stdout: &str, stderr: &str) {
        self.0.raw(stdout);
        self.0.raw_note(stderr);
    }

    pub(super) fn display(&self, text: &str) {
        self.0.line(text);
    }

    /// A line for `input()`; none where it cannot be asked for.
    pub(super) fn ask(&self, prompt: &str) -> Option<ReadLine> {
        // What stands before the last line's end is no prompt any more.
        let (above, prompt) = prompt.rsplit_once('\n').map_or(("", prompt), |(above, prompt)| (above, prompt));
        if !above.is_empty() {
            self.0.line(above);
        }
        LineEditor::bare(self.0.colors.stdout).read(prompt, "").ok()
    }

    pub(super) fn reluctant(&self) {
        self.0.note(paint(self.0.colors.stderr, FAINT, RELUCTANT));
    }
}
