//! Output that comes while a person edits a line: it is shown above that line. While no line is edited, it is written at once.

use std::io::{Write, stdout};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reedline::ExternalPrinter;

use super::detect::clear_line;
use super::rows::rows;

/// How many rows may wait for the editor: where it finds several at once, it loses its place on the screen.
const WAITING_ROWS: usize = 1;
/// How often the editor looks for one.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How long to wait for room.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);
/// The columns of a terminal that does not tell them.
const USUAL_COLUMNS: u16 = 80;
/// An unfinished line of so many bytes is shown as a line.
const LONGEST_LINE: usize = 64 << 10;

pub(crate) struct AboveLine {
    lines: ExternalPrinter<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_editing: bool,
    /// What came while a line was edited, and does not end a line yet.
    unfinished: Vec<u8>,
}

impl AboveLine {
    pub(crate) fn new() -> AboveLine {
        AboveLine { lines: ExternalPrinter::new(WAITING_ROWS), state: Mutex::default() }
    }

    /// What shows the lines above the one that is edited.
    pub(super) fn editor_part(&self) -> ExternalPrinter<String> {
        self.lines.clone()
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        let mut state = self.state();
        if !state.is_editing {
            return write_now(bytes);
        }
        state.unfinished.extend_from_slice(bytes);
        let ended = state.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end = if state.unfinished.len() - ended > LONGEST_LINE { state.unfinished.len() } else { ended };
        let rest = state.unfinished.split_off(end);
        let lines = std::mem::replace(&mut state.unfinished, rest);
        drop(state);
        String::from_utf8_lossy(&lines).lines().for_each(|line| self.show(line));
    }

    pub(crate) fn is_editing(&self) -> bool {
        self.state().is_editing
    }

    /// Clears the line that is not finished.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.unfinished.clear();
        if !state.is_editing {
            write_now(clear_line().as_bytes());
        }
    }

    /// Shows an unfinished line: nothing has come for a while.
    pub(crate) fn flush(&self) {
        let line = std::mem::take(&mut self.state().unfinished);
        if !line.is_empty() {
            self.show(&String::from_utf8_lossy(&line));
        }
    }

    /// Shows a line once there is room for it.
    fn show(&self, line: &str) {
        // Of a progress bar only what it shows at last.
        let line = line.trim_end_matches('\r');
        let line = line.rsplit('\r').next().unwrap_or(line);
        let width = crossterm::terminal::size().map_or(USUAL_COLUMNS, |(columns, _)| columns).max(1);
        rows(line, width.into()).into_iter().for_each(|row| self.show_row(row));
    }

    fn show_row(&self, mut row: String) {
        loop {
            {
                let state = self.state();
                if !state.is_editing {
                    return write_now(format!("{row}\n").as_bytes());
                }
                match self.lines.sender().try_send(row) {
                    Ok(()) => return,
                    Err(full) => row = full.into_inner(),
                }
            }
            std::thread::sleep(RETRY_INTERVAL);
        }
    }

    /// Edits a line.
    pub(super) fn while_editing<T>(&self, edit: impl FnOnce() -> T) -> T {
        self.state().is_editing = true;
        let edited = edit();
        let mut state = self.state();
        state.is_editing = false;
        while let Some(line) = self.lines.get_line() {
            write_now(format!("{line}\n").as_bytes());
        }
        write_now(&std::mem::take(&mut state.unfinished));
        edited
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The prompt goes on where its terminal cannot be written to: reading the next line tells.
fn write_now(bytes: &[u8]) {
    let mut stdout = stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an editor shows meanwhile.
    fn shown(above: &AboveLine, write: impl FnOnce() + Send) -> Vec<String> {
        let mut shown = Vec::new();
        std::thread::scope(|scope| {
            let writing = scope.spawn(write);
            while !writing.is_finished() {
                shown.extend(above.lines.get_line());
            }
        });
        shown.extend(above.lines.get_line());
        shown
    }

    #[test]
    fn whole_lines_are_shown_above() {
        let above = AboveLine::new();
        above.while_editing(|| {
            assert_eq!(shown(&above, || above.write(b"one\ntw")), ["one"]);
            assert_eq!(shown(&above, || above.write(b"o\n10%\r20%\r\nthr")), ["two", "20%"]);
            let flush = || {
                above.flush();
                above.flush();
            };
            assert_eq!(shown(&above, flush), ["thr"]);
            let long = "x".repeat(LONGEST_LINE + 1);
            assert_eq!(shown(&above, || above.write(long.as_bytes())).concat(), long);
        });
    }

    #[test]
    fn what_the_editor_does_not_take_is_written_when_it_ends() {
        let above = AboveLine::new();
        std::thread::scope(|scope| {
            above.while_editing(|| {
                above.write(b"one\n");
                scope.spawn(|| above.write(b"two\nthree"));
            });
        });
        assert_eq!(above.lines.get_line(), None);
    }
}
