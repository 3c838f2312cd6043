//! What code writes to standard output and standard error.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const IDLE_BYTES_PER_SECOND: usize = 16 << 10;

/// The output of one call, as text; bytes that are not UTF-8 are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapturedOutput {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How many bytes of both were left out, since they were more than the call may keep.
    pub omitted_bytes: u64,
}

impl CapturedOutput {
    pub(crate) fn of(stdout: CaptureBuffer, stderr: CaptureBuffer) -> CapturedOutput {
        let ((stdout, left_out), (stderr, left_out_too)) = (stdout.into_text(), stderr.into_text());
        CapturedOutput { stdout, stderr, omitted_bytes: left_out + left_out_too }
    }
}

/// A piece of what code wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputPiece {
    /// Text in UTF-8, with a mark where bytes were left out. For a subscriber that takes raw output: what was written, without a mark.
    pub bytes: Vec<u8>,
    /// How many bytes were left out; of raw output, before these.
    pub omitted_bytes: u64,
}

/// The output of one call on one of the two: the first bytes and the last are kept, those between them are counted.
#[derive(Debug, Default)]
pub(crate) struct CaptureBuffer {
    head: Vec<u8>,
    tail: Tail,
}

impl CaptureBuffer {
    pub(crate) fn push(&mut self, bytes: &[u8], cap: usize) {
        let room = (cap - cap / 2).saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        self.tail.push(&bytes[room..], cap / 2);
    }

    /// The output as text, and how many bytes were left out.
    pub(crate) fn into_text(mut self) -> (String, u64) {
        if self.tail.omitted_bytes == 0 {
            self.head.extend(self.tail.ring);
            return (into_text(self.head), 0);
        }
        let whole = self.head.len() - incomplete_suffix(&self.head);
        self.tail.omitted_bytes += (self.head.len() - whole) as u64;
        self.head.truncate(whole);
        let mut text = into_text(self.head);
        let (rest, omitted_bytes) = self.tail.take_text();
        text.push_str(&rest);
        (text, omitted_bytes)
    }
}

/// The last bytes of output; those before them are counted.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    ring: VecDeque<u8>,
    omitted_bytes: u64,
}

impl Tail {
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.omitted_bytes == 0
    }

    /// Keeps the last `cap` bytes.
    pub(crate) fn push(&mut self, bytes: &[u8], cap: usize) {
        let kept = &bytes[bytes.len() - bytes.len().min(cap)..];
        let over = (self.ring.len() + kept.len()).saturating_sub(cap);
        self.ring.drain(..over);
        self.omitted_bytes += (over + bytes.len() - kept.len()) as u64;
        self.ring.extend(kept);
    }

    /// The bytes as they are, and how many before them were left out.
    pub(crate) fn take(&mut self) -> (Vec<u8>, u64) {
        let Tail { ring, omitted_bytes } = std::mem::take(self);
        (Vec::from(ring), omitted_bytes)
    }

    /// The same as text, behind a mark where others were left out.
    pub(crate) fn take_text(&mut self) -> (String, u64) {
        let (mut bytes, mut omitted_bytes) = self.take();
        if omitted_bytes == 0 {
            return (into_text(bytes), omitted_bytes);
        }
        let cut = bytes.iter().take(3).take_while(|byte| matches!(byte, 0x80..=0xbf)).count();
        bytes.drain(..cut);
        omitted_bytes += cut as u64;
        let text = format!("\n[output cut here: {omitted_bytes} bytes left out]\n{}", into_text(bytes));
        (text, omitted_bytes)
    }
}

pub(crate) fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// How many bytes at the end begin a character that later bytes may complete.
pub(crate) fn incomplete_suffix(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let needs = match bytes[bytes.len() - back] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if needs > back { back } else { 0 };
    }
    0
}

/// The log of output that no call wrote. A thread that prints for ever must not fill the disk, so the log is capped.
#[derive(Debug, Default)]
pub(crate) struct UnattributedOutputLog {
    second: Option<Instant>,
    logged: usize,
    truncated_bytes: usize,
}

impl UnattributedOutputLog {
    pub(crate) fn log(&mut self, session: &str, stderr: bool, bytes: &[u8]) {
        if self.second.is_none_or(|began| began.elapsed() >= Duration::from_secs(1)) {
            if self.truncated_bytes > 0 {
                tracing::info!(target: "output", session, "{} bytes were left out", self.truncated_bytes);
            }
            *self = UnattributedOutputLog { second: Some(Instant::now()), ..UnattributedOutputLog::default() };
        }
        let room = IDLE_BYTES_PER_SECOND.saturating_sub(self.logged).min(bytes.len());
        self.logged += room;
        self.truncated_bytes += bytes.len() - room;
        if room > 0 {
            let text = String::from_utf8_lossy(&bytes[..room]);
            tracing::info!(target: "output", session, stderr, "{}", text.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(parts: &[&str], cap: usize) -> (String, u64) {
        let mut capture = CaptureBuffer::default();
        parts.iter().for_each(|part| capture.push(part.as_bytes(), cap));
        capture.into_text()
    }

    #[test]
    fn the_first_and_the_last_bytes_are_kept() {
        for parts in [&["12345", "67890"][..], &["1234567890"], &["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"]] {
            let (text, omitted_bytes) = captured(parts, 8);
            assert_eq!(
                (text.as_str(), omitted_bytes),
                ("1234\n[output cut here: 2 bytes left out]\n7890", 2),
                "{parts:?}"
            );
            assert_eq!(captured(parts, 10).0, "1234567890");
            assert_eq!(captured(parts, 0).0, "\n[output cut here: 10 bytes left out]\n");
        }
    }

    #[test]
    fn no_character_is_split() {
        let all = "aé€𝄞".repeat(10);
        for cap in 0..=all.len() {
            let (text, omitted_bytes) = captured(&[&all], cap);
            assert!(!text.contains('\u{fffd}'), "{cap}: {text}");
            let kept = text.replace(&format!("\n[output cut here: {omitted_bytes} bytes left out]\n"), "");
            assert_eq!(kept.len() as u64 + omitted_bytes, all.len() as u64, "{cap}");
            assert!(kept.len() <= cap && kept.len() + 6 >= cap, "{cap}: {}", kept.len());
        }
    }
}
