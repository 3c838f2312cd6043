//! Cutting what arrives into lines.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::Problem;
use bytes::{Buf, Bytes, BytesMut};
use tokio::time::Instant;

use crate::body_budget::{BodyBudget, HeldBytes};

const MARK: &[u8] = b"\xef\xbb\xbf";
/// A buffer that grew larger than this for a long line is freed.
const KEPT_BYTES: usize = 256 << 10;
/// How long a line may take to arrive, once it has begun.
pub(super) const LINE_TIMEOUT: Duration = Duration::from_secs(120);

/// The bytes of a connection.
#[derive(Debug)]
pub(super) struct LineDecoder {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    /// Whether anything but a byte-order mark has arrived.
    begun: bool,
    since: Option<Instant>,
    longest: usize,
    budget: Arc<BodyBudget>,
    /// The place of the line that comes.
    held: HeldBytes,
}

/// The next line is longer than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl LineDecoder {
    pub(super) fn new(longest: usize, budget: Arc<BodyBudget>) -> LineDecoder {
        let held = budget.hold();
        LineDecoder { buffer: BytesMut::new(), searched: 0, begun: false, since: None, longest, budget, held }
    }

    /// Appends what has arrived; an error where all lines and bodies together would take more memory than they may.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.held.grow(bytes.len())?;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BYTES {
            self.buffer = BytesMut::new();
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// What has arrived and belongs to no line yet. It begins with a line, or with data that follow one.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[..]
    }

    /// Removes the first bytes, which were data.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        (self.searched, self.since) = (0, None);
    }

    /// The next whole line, without its end; `None` when more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        if !self.begun && !self.buffer.is_empty() {
            if self.buffer.len() < MARK.len() && MARK.starts_with(&self.buffer) {
                return Ok(None);
            }
            if self.buffer.starts_with(MARK) {
                self.buffer.advance(MARK.len()); // it arrives alone, before the first line
            }
            self.begun = true;
        }
        let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|at| self.searched + at) else {
            self.searched = self.buffer.len();
            if self.searched > self.longest {
                return Err(TooLong);
            }
            if self.searched > 0 {
                self.since.get_or_insert_with(Instant::now);
            }
            return Ok(None);
        };
        (self.searched, self.since) = (0, None);
        let mut line = self.buffer.split_to(end + 1).freeze();
        line.truncate(end);
        if line.ends_with(b"\r") {
            line.truncate(end - 1);
        }
        if line.starts_with(MARK) {
            line.advance(MARK.len()); // of a client that makes a writer for each line
        }
        // What came behind its end is counted with the next one, from when more of that comes.
        let held = std::mem::replace(&mut self.held, self.budget.hold());
        if line.len() > self.longest { Err(TooLong) } else { Ok(Some(held.keep(line))) }
    }

    /// Nothing more will come: what has come is the last line, also without its end.
    pub(super) fn end(&mut self) {
        if !self.buffer.is_empty() {
            self.buffer.extend_from_slice(b"\n");
        }
    }

    /// When the line that has begun must be complete.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + LINE_TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoder(longest: usize) -> LineDecoder {
        LineDecoder::new(longest, BodyBudget::new(1 << 20))
    }

    fn all(lines: &mut LineDecoder) -> Vec<String> {
        std::iter::from_fn(|| lines.next().unwrap()).map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        for mark in [&b""[..], MARK] {
            let bytes = [mark, b"one\r\ntwo\n\n\xef\xbb\xbfthree\nfo"].concat();
            for at in 0..bytes.len() {
                let mut lines = decoder(100);
                let mut got = Vec::new();
                for part in [&bytes[..at], &bytes[at..]] {
                    lines.push(part).expect("room");
                    got.extend(all(&mut lines));
                }
                assert_eq!(got, ["one", "two", "", "three"], "cut at {at}");
                assert!(lines.deadline().is_some(), "a line has begun");
            }
        }
    }

    #[test]
    fn the_last_line_needs_no_end() {
        for (bytes, last) in
            [("one\ntwo", &["one", "two"][..]), ("one\ntwo\r", &["one", "two"]), ("one\n", &["one"]), ("", &[])]
        {
            let mut lines = decoder(100);
            lines.push(bytes.as_bytes()).expect("room");
            let mut got = all(&mut lines);
            lines.end();
            got.extend(all(&mut lines));
            assert_eq!(got, last, "{bytes:?}");
        }
    }

    #[test]
    fn a_mark_alone_begins_no_line() {
        let mut lines = decoder(100);
        for byte in MARK {
            lines.push(&[*byte]).expect("room");
            assert_eq!(lines.next(), Ok(None));
            assert_eq!(lines.deadline(), None);
        }
    }

    #[test]
    fn a_line_over_the_limit_is_told_with_its_end_or_before() {
        for (bytes, fits) in [("12345\n", true), ("12345\r\n", true), ("123456\n", false), ("123456", false)] {
            let mut lines = decoder(5);
            lines.push(bytes.as_bytes()).expect("room");
            assert_eq!(lines.next().is_ok(), fits, "{bytes:?}");
        }
    }
}
