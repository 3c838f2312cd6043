//! Output that comes while a person edits a line: it is shown above that line. While no line is edited, it is written at once.

use std::io::{Write, stdout};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reedline::ExternalPrinter;

use super::detect::clear_line;
use super::rows::rows;

/// How many rows may wait for the editor.
const WAITING_ROWS: usize = 1000;
/// How often the editor looks for one.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How long to wait for room.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);
/// The columns and rows of a terminal that does not tell them.
const USUAL_SIZE: (u16, u16) = (80, 24);
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
    /// How many rows the editor was given for this line, in a terminal of this size.
    shown: usize,
    size: (u16, u16),
}

impl State {
    /// Where the editor finds several rows at once above the last row of the screen, it loses its place: they come one by one until
    /// they have moved the line there.
    fn is_at_bottom(&mut self, size: (u16, u16)) -> bool {
        if self.size != size {
            (self.size, self.shown) = (size, 0);
        }
        self.shown >= usize::from(size.1)
    }
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
        let size = crossterm::terminal::size().ok().filter(|(columns, _)| *columns > 0).unwrap_or(USUAL_SIZE);
        rows(line, size.0.into()).into_iter().for_each(|row| self.show_row(row, size));
    }

    fn show_row(&self, mut row: String, size: (u16, u16)) {
        loop {
            {
                let mut state = self.state();
                if !state.is_editing {
                    return write_now(format!("{row}\n").as_bytes());
                }
                if state.is_at_bottom(size) || self.lines.receiver().is_empty() {
                    match self.lines.sender().try_send(row) {
                        Ok(()) => {
                            state.shown += 1;
                            return;
                        }
                        Err(full) => row = full.into_inner(),
                    }
                }
            }
            std::thread::sleep(RETRY_INTERVAL);
        }
    }

    /// Edits a line.
    pub(super) fn while_editing<T>(&self, edit: impl FnOnce() -> T) -> T {
        {
            let mut state = self.state();
            (state.is_editing, state.shown) = (true, 0);
        }
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
        shown.extend(std::iter::from_fn(|| above.lines.get_line()));
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
    fn rows_come_together_once_they_have_filled_the_screen() {
        let above = AboveLine::new();
        let size = (80, 24);
        above.while_editing(|| {
            for at in 0..24 {
                above.show_row(at.to_string(), size);
                assert_eq!(above.lines.receiver().len(), 1, "one by one");
                assert_eq!(above.lines.get_line(), Some(at.to_string()));
            }
            (0..WAITING_ROWS).for_each(|at| above.show_row(at.to_string(), size));
            assert_eq!(above.lines.receiver().len(), WAITING_ROWS);
            while above.lines.get_line().is_some() {}
            assert!(!above.state().is_at_bottom((80, 40)), "a terminal of another size");
        });
        above.while_editing(|| assert!(!above.state().is_at_bottom(size), "another line"));
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
