//! Writing the log so that nothing depends on it: not on a full disk, nor on a pipe that nobody reads.

use std::io::{self, Write};
use std::os::fd::AsFd;

use beep_python_runtime::platform::note_lost_log_events;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::json;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::log_file::LogFile;

/// A pipe that can be written takes this much without waiting.
const PIECE: usize = 4096;

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object per line, with the fields of the session, worker, connection and request in `spans`
    Json,
}

/// Writes events, each of them whole and by itself. What cannot be written now is left out, and counted.
pub(crate) struct LogWriter<W> {
    /// Where there is nothing to write to, every event is left out.
    out: io::Result<W>,
    format: LogFormat,
    file: Option<&'static LogFile>,
    /// Writing does not wait while this is held, so that the others do not wait either.
    state: &'static Mutex<State>,
}

/// What became of the events before.
#[derive(Debug)]
pub(crate) struct State {
    /// How many have been left out since the last that was written.
    lost: u64,
    /// Whether the last one was written in part.
    torn: bool,
}

impl State {
    pub(crate) const NEW: State = State { lost: 0, torn: false };
}

impl<W: Write + AsFd> LogWriter<W> {
    pub(crate) fn new(out: io::Result<W>, format: LogFormat, state: &'static Mutex<State>) -> LogWriter<W> {
        LogWriter { out, format, file: None, state }
    }

    /// Keeps the file that `out` is within its bounds.
    pub(crate) fn with_file(mut self, file: Option<&'static LogFile>) -> LogWriter<W> {
        self.file = file;
        self
    }

    fn append(&mut self, state: &mut State, event: &[u8]) -> io::Result<()> {
        let out = match &mut self.out {
            Ok(out) => out,
            Err(error) => return Err(error.kind().into()),
        };
        let mut text = Vec::with_capacity(event.len() + 128);
        if state.torn {
            text.push(b'\n');
        }
        if state.lost > 0 {
            let (lost, s) = (state.lost, if state.lost == 1 { "" } else { "s" });
            let said = format!("{lost} event{s} could not be written here");
            let said = match self.format {
                LogFormat::Text => format!("({said})\n"),
                LogFormat::Json => {
                    format!("{}\n", json!({"timestamp": now(), "level": "WARN", "message": said, "lost": lost}))
                }
            };
            text.extend_from_slice(said.as_bytes());
        }
        match self.format {
            LogFormat::Text => append_plainly(event, &mut text),
            LogFormat::Json => append_json(event, &mut text),
        }
        if let Some(file) = self.file {
            file.make_room(text.len())?;
        }
        for (number, piece) in text.chunks(PIECE).enumerate() {
            let written = wait_free(out).and_then(|()| out.write_all(piece));
            if let Err(error) = written {
                state.torn |= number > 0;
                return Err(error);
            }
        }
        Ok(())
    }
}

/// This moment, as the events have it.
pub(crate) fn now() -> String {
    let mut text = String::new();
    let _ = SystemTime.format_time(&mut tracing_subscriber::fmt::format::Writer::new(&mut text));
    text
}

/// An error where writing would wait: for the reader of a pipe, or for a terminal that is stopped.
fn wait_free(out: &impl AsFd) -> io::Result<()> {
    let mut fds = [PollFd::new(out, PollFlags::OUT)];
    loop {
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(0) => return Err(io::ErrorKind::WouldBlock.into()),
            Ok(_) => return Ok(()), // an error is told by the write
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl<W: Write + AsFd> Write for LogWriter<W> {
    /// Never fails: nobody could be told.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let mut state = self.state.lock();
        let before = state.lost;
        match self.append(&mut state, event) {
            Ok(()) => *state = State::NEW,
            Err(_) => state.lost += 1,
        }
        note_lost_log_events(before, state.lost);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends an event so that only its first line begins at the margin, and nothing in it moves a terminal's cursor: a text of a
/// client's cannot look like an event of its own.
fn append_plainly(event: &[u8], out: &mut Vec<u8>) {
    let whole = event.strip_suffix(b"\n").unwrap_or(event);
    let text = String::from_utf8_lossy(whole);
    for character in text.chars() {
        match character {
            '\n' => out.extend_from_slice(b"\n    "),
            '\t' => out.push(b'\t'),
            // These end a line for many who read one, or turn the direction of the text.
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.extend(character.escape_unicode().map(|character| character as u8));
            }
            control if control.is_control() => out.extend(control.escape_default().map(|character| character as u8)),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'\n');
}

/// Appends an event that is JSON, in which line breaks are escaped already; and what else ends a line for many who read one.
fn append_json(event: &[u8], out: &mut Vec<u8>) {
    let whole = event.strip_suffix(b"\n").unwrap_or(event);
    for character in String::from_utf8_lossy(whole).chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.extend_from_slice(format!("\\u{:04x}", character as u32).as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{PipeWriter, Read};

    use rustix::fs::{Mode, OFlags};

    use super::*;

    fn state() -> &'static Mutex<State> {
        Box::leak(Box::new(Mutex::new(State::NEW)))
    }

    #[test]
    fn only_the_first_line_of_an_event_begins_at_the_margin() {
        for (event, written) in [
            ("one\n", "one\n"),
            ("one\n2026-01-01 INFO forged\n", "one\n    2026-01-01 INFO forged\n"),
            ("one\r\ntwo\n", "one\\r\n    two\n"),
            (
                "\x1b[1A\x1b[2Kgone \x7f\u{9b}\u{85}\x0b\x0c\n",
                "\\u{1b}[1A\\u{1b}[2Kgone \\u{7f}\\u{9b}\\u{85}\\u{b}\\u{c}\n",
            ),
            ("a\u{2028}b \u{202e}c\n", "a\\u{2028}b \\u{202e}c\n"),
            ("ä\t語\n", "ä\t語\n"),
        ] {
            let mut out = Vec::new();
            append_plainly(event.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), written);
        }
    }

    #[test]
    fn json_stays_json_on_one_line() {
        let told = json!({"message": "a\n2026 forged\u{2028}b\u{7f}\u{9b}\u{202e}ä\r"});
        let mut out = Vec::new();
        append_json(format!("{told}\n").as_bytes(), &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with('\n') && text.trim_end().chars().all(|c| !c.is_control() && c != '\u{2028}'), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), told);
    }

    #[test]
    fn a_pipe_that_nobody_reads_holds_nobody_up() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let state = state();
        let log = |event: &str| write!(LogWriter::new(writer.try_clone(), LogFormat::Text, state), "{event}").unwrap();
        let mut events = 0;
        while state.lock().lost < 3 {
            log(&format!("{events:0>1000}\n"));
            events += 1;
        }
        let mut read = vec![0; 1 << 20];
        let size = reader.read(&mut read).unwrap();
        assert_eq!(size, (events - 3) * 1001, "each event is whole");
        log("after\n");
        let size = reader.read(&mut read).unwrap();
        assert_eq!(&read[..size], b"(3 events could not be written here)\nafter\n");
    }

    #[test]
    fn a_reader_that_is_gone_and_a_full_disk_are_no_errors() {
        let gone = || -> PipeWriter { io::pipe().expect("a pipe").1 };
        let full = || File::from(rustix::fs::open("/dev/full", OFlags::WRONLY, Mode::empty()).expect("a device"));
        let state = state();
        for number in 1..=3 {
            LogWriter::new(Ok(gone()), LogFormat::Text, state).write_all(b"event\n").expect("never an error");
            LogWriter::new(Ok(full()), LogFormat::Text, state).write_all(b"event\n").expect("never an error");
            assert_eq!(state.lock().lost, 2 * number);
        }
    }
}
