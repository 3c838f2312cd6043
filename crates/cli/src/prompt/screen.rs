//! The output of running code, and the lines that it reads.

use std::sync::Arc;

use beep_python_client::{Display, InputRequest};

use crate::color::{FAINT, paint};
use crate::printer::Printer;
use crate::terminal::above_line::AboveLine;
use crate::terminal::detect::clear_line;
use crate::terminal::line_editor::LineEditor;
use crate::terminal::read_line::ReadLine;
use crate::terminal::terminal_input::{CtrlC, TerminalInput};

const GOES_ON: &str =
    "the code goes on; Ctrl-C interrupts it again, the third one kills its worker, and the session loses its state";

/// What stands where so many bytes are left out.
pub(super) fn omission_mark(bytes: u64) -> String {
    format!("\n[output cut here: {bytes} bytes left out]\n")
}

pub(super) struct Screen<'a>(pub(super) &'a Printer, pub(super) &'a Arc<AboveLine>);

impl Screen<'_> {
    pub(super) fn output(&self, stdout: impl AsRef<[u8]>, stderr: impl AsRef<[u8]>) {
        self.0.raw(stdout);
        self.0.raw_note(stderr);
    }

    pub(super) fn display(&self, display: &Display) {
        if !display.data.is_empty() {
            self.0.line(display.text());
        }
    }

    pub(super) fn clear(&self) {
        self.0.raw(clear_line());
    }

    /// Reads a line for `input()`, or for `getpass()` without showing it; none if that fails.
    pub(super) fn ask(&self, input: &InputRequest) -> Option<ReadLine> {
        if input.password
            && let Some(hidden) = TerminalInput::hidden(&input.prompt, CtrlC::Key)
        {
            return hidden.read_line().ok();
        }
        let prompt = &*input.prompt;
        // Only the last line is the prompt.
        let (above, prompt) = prompt.rsplit_once('\n').map_or(("", prompt), |(above, prompt)| (above, prompt));
        if !above.is_empty() {
            self.0.line(above);
        }
        LineEditor::bare(self.0.colors.stdout).with_output_above(self.1).read(prompt, "").ok()
    }

    pub(super) fn goes_on(&self) {
        self.0.note(paint(self.0.colors.stderr, FAINT, GOES_ON));
    }
}
