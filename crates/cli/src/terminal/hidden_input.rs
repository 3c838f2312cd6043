//! Lines that the terminal does not show: passwords.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::line_editor::ReadLine;

const CTRL_C: u8 = 3;

/// The terminal, which shows nothing of what is typed until this is dropped.
pub(crate) struct HiddenInput {
    terminal: File,
    modes: Termios,
}

/// What Ctrl-C is meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CtrlC {
    /// A signal.
    Signal,
    /// The end of the line.
    Key,
}

impl HiddenInput {
    /// Shows the prompt. As in Python that is the terminal itself, whatever standard input is; none without a terminal.
    pub(crate) fn begin(prompt: &str, ctrl_c: CtrlC) -> Option<HiddenInput> {
        let (mut terminal, modes) = ["/dev/tty", "/dev/stdin"].into_iter().find_map(|path| {
            let terminal = File::options().read(true).write(true).open(path).ok()?;
            let modes = tcgetattr(&terminal).ok()?;
            Some((terminal, modes))
        })?;
        let mut hidden = modes.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        if ctrl_c == CtrlC::Key {
            hidden.local_modes.remove(LocalModes::ISIG);
            hidden.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        }
        // What was typed before is not meant for it.
        tcsetattr(&terminal, OptionalActions::Flush, &hidden).ok()?;
        let input = HiddenInput { terminal, modes };
        terminal = input.reader().ok()?;
        terminal.write_all(prompt.as_bytes()).ok()?;
        Some(input)
    }

    /// The terminal, for [`read_line`].
    pub(crate) fn reader(&self) -> io::Result<File> {
        self.terminal.try_clone()
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.modes);
        let _ = self.terminal.write_all(b"\n"); // in place of the one that ended the line
    }
}

/// Reads a line of a terminal.
pub(crate) fn read_line(terminal: File) -> ReadLine {
    let mut line = Vec::new();
    // A terminal gives at most a line at a time: nothing is read ahead.
    let mut terminal = BufReader::new(terminal);
    loop {
        match terminal.fill_buf() {
            Ok([]) | Err(_) => return ReadLine::EndOfInput,
            Ok(read) => {
                let count = read.len();
                line.extend_from_slice(read);
                terminal.consume(count);
            }
        }
        match line.last() {
            Some(b'\n') => {
                line.pop();
                return ReadLine::Line(String::from_utf8_lossy(&line).into_owned());
            }
            Some(&CTRL_C) => return ReadLine::Interrupted,
            _ => {} // Ctrl-D behind some text: the line goes on
        }
    }
}
