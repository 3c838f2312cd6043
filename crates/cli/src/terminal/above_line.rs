//! Output that comes while a person edits a line: it is shown above that line. While no line is edited, it is written at once.

use std::io::{Write, stdout};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reedline::ExternalPrinter;

use super::detect::clear_line;

/// How many lines may wait for the editor.
const WAITING_LINES: usize = 1000;
/// How long to wait for room among them: the editor takes them more often.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
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
    unfinished: String,
}

impl AboveLine {
    pub(crate) fn new() -> AboveLine {
        AboveLine { lines: ExternalPrinter::new(WAITING_LINES), state: Mutex::default() }
    }

    /// What shows the lines above the one that is edited.
    pub(super) fn editor_part(&self) -> ExternalPrinter<String> {
        self.lines.clone()
    }

    pub(crate) fn write(&self, text: &str) {
        let mut state = self.state();
        if !state.is_editing {
            return write_now(text);
        }
        state.unfinished.push_str(text);
        let ended = state.unfinished.rfind('\n').map_or(0, |at| at + 1);
        let end = if state.unfinished.len() - ended > LONGEST_LINE { state.unfinished.len() } else { ended };
        let rest = state.unfinished.split_off(end);
        let lines = std::mem::replace(&mut state.unfinished, rest);
        drop(state);
        lines.lines().for_each(|line| self.show(line));
    }

    /// Clears the line that is not finished.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.unfinished.clear();
        if !state.is_editing {
            write_now(clear_line());
        }
    }

    /// Shows an unfinished line: nothing has come for a while.
    pub(crate) fn flush(&self) {
        let line = std::mem::take(&mut self.state().unfinished);
        if !line.is_empty() {
            self.show(&line);
        }
    }

    /// Shows a line once there is room for it.
    fn show(&self, line: &str) {
        // Of a progress bar only what it shows at last.
        let line = line.trim_end_matches('\r');
        let mut line = line.rsplit('\r').next().unwrap_or(line).to_owned();
        loop {
            {
                let state = self.state();
                if !state.is_editing {
                    return write_now(&format!("{line}\n"));
                }
                match self.lines.sender().try_send(line) {
                    Ok(()) => return,
                    Err(full) => line = full.into_inner(),
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
            write_now(&format!("{line}\n"));
        }
        write_now(&std::mem::take(&mut state.unfinished));
        edited
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The prompt goes on where its terminal cannot be written to: reading the next line tells.
fn write_now(text: &str) {
    let mut stdout = stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(above: &AboveLine) -> Vec<String> {
        std::iter::from_fn(|| above.lines.get_line()).collect()
    }

    #[test]
    fn whole_lines_are_shown_above() {
        let above = AboveLine::new();
        above.while_editing(|| {
            above.write("one\ntw");
            assert_eq!(shown(&above), ["one"]);
            above.write("o\n10%\r20%\r\nthr");
            assert_eq!(shown(&above), ["two", "20%"]);
            above.flush();
            above.flush();
            assert_eq!(shown(&above), ["thr"]);
            above.write(&"x".repeat(LONGEST_LINE + 1));
            assert_eq!(shown(&above).concat().len(), LONGEST_LINE + 1);
        });
    }

    #[test]
    fn lines_for_which_there_is_no_room_wait_for_the_end_of_editing() {
        let above = AboveLine::new();
        std::thread::scope(|scope| {
            above.while_editing(|| {
                (0..WAITING_LINES).for_each(|_| above.write("x\n"));
                scope.spawn(|| above.write("the last\n"));
            });
        });
        assert!(shown(&above).is_empty());
    }
}
