//! Lines of a terminal that no editor reads: passwords, and what is typed on a dumb terminal.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::read_line::ReadLine;
use super::suspend::suspend;

const CTRL_C: u8 = 3;
const CTRL_Z: u8 = 26;

/// A terminal that has other modes until this is dropped.
pub(crate) struct TerminalInput {
    terminal: File,
    /// Those that it had, and has meanwhile.
    modes: Termios,
    changed: Termios,
    hides: bool,
}

/// What Ctrl-C and Ctrl-Z are meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CtrlC {
    /// Signals.
    Signal,
    /// The end of the line, and a key that suspends what reads it.
    Key,
}

impl TerminalInput {
    /// Shows the prompt, and nothing of what is typed. As in Python that is the terminal itself, whatever standard input is; none
    /// without a terminal.
    pub(crate) fn hidden(prompt: &str, ctrl_c: CtrlC) -> Option<TerminalInput> {
        // What was typed before is not meant for it.
        let input = TerminalInput::begin(&["/dev/tty", "/dev/stdin"], true, ctrl_c, OptionalActions::Flush)?;
        input.reader().ok()?.write_all(prompt.as_bytes()).ok()?;
        Some(input)
    }

    /// Standard input, where Ctrl-C ends a line as a key does; none where it is no terminal.
    pub(crate) fn visible() -> Option<TerminalInput> {
        TerminalInput::begin(&["/dev/stdin"], false, CtrlC::Key, OptionalActions::Drain)
    }

    fn begin(paths: &[&str], hides: bool, ctrl_c: CtrlC, typed: OptionalActions) -> Option<TerminalInput> {
        let (terminal, modes) = paths.iter().find_map(|path| {
            let terminal = File::options().read(true).write(true).open(path).ok()?;
            let modes = tcgetattr(&terminal).ok()?;
            Some((terminal, modes))
        })?;
        let mut changed = modes.clone();
        if hides {
            changed.local_modes.remove(LocalModes::ECHO);
        }
        if ctrl_c == CtrlC::Key {
            changed.local_modes.remove(LocalModes::ISIG);
            changed.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
            changed.special_codes[SpecialCodeIndex::VEOL2] = CTRL_Z;
        }
        tcsetattr(&terminal, typed, &changed).ok()?;
        Some(TerminalInput { terminal, modes, changed, hides })
    }

    /// Reads a line. Where Ctrl-Z is a key, it suspends; what was typed of the line is gone then, as where it is a signal.
    pub(crate) fn read_line(&self) -> io::Result<ReadLine> {
        loop {
            match read_line(self.reader()?) {
                ReadLine::Line(line) if line.ends_with(char::from(CTRL_Z)) => self.suspend(),
                read => return Ok(read),
            }
        }
    }

    fn suspend(&self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.modes);
        suspend();
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.changed);
    }

    /// The terminal, for [`read_line`].
    pub(crate) fn reader(&self) -> io::Result<File> {
        self.terminal.try_clone()
    }
}

impl Drop for TerminalInput {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.modes);
        if self.hides {
            let _ = self.terminal.write_all(b"\n"); // in place of the one that ended the line
        }
    }
}

/// Reads a line of a terminal; one that Ctrl-Z ends as a key still has that.
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
            Some(&CTRL_Z) => return ReadLine::Line(String::from_utf8_lossy(&line).into_owned()),
            _ => {} // Ctrl-D behind some text: the line goes on
        }
    }
}
