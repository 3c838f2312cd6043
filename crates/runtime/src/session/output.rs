//! What code writes to standard output and standard error.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const TAIL_BYTES: usize = 8 << 10;
const IDLE_BYTES_PER_SECOND: usize = 16 << 10;

/// The output of one call, as text; bytes that are not UTF-8 are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapturedOutput {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The output of one call on one of the two: the first bytes are kept, the rest is counted.
#[derive(Debug, Default)]
pub(crate) struct CaptureBuffer {
    kept: Vec<u8>,
    truncated_bytes: u64,
}

impl CaptureBuffer {
    pub(crate) fn push(&mut self, bytes: &[u8], cap: usize) {
        let room = cap.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
        self.truncated_bytes += (bytes.len() - room) as u64;
    }

    pub(crate) fn into_text(self) -> String {
        if self.kept.is_empty() && self.truncated_bytes == 0 {
            return String::new();
        }
        let mut text =
            String::from_utf8(self.kept).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        if self.truncated_bytes > 0 {
            text.push_str(&format!("\n[output cut here: {} more bytes]\n", self.truncated_bytes));
        }
        text
    }
}

/// The last bytes on a worker's standard error, which often say why it died.
#[derive(Debug, Default)]
pub(crate) struct StderrTail {
    bytes: VecDeque<u8>,
}

impl StderrTail {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        let over = self.bytes.len().saturating_sub(TAIL_BYTES);
        self.bytes.drain(..over);
    }

    pub(crate) fn text(&self) -> String {
        let (head, tail) = self.bytes.as_slices();
        String::from_utf8_lossy(&[head, tail].concat()).trim().to_owned()
    }
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

    #[test]
    fn output_over_the_cap_is_cut_and_marked() {
        let mut capture = CaptureBuffer::default();
        capture.push(b"12345", 8);
        capture.push(b"67890", 8);
        assert_eq!(capture.into_text(), "12345678\n[output cut here: 2 more bytes]\n");
    }

    #[test]
    fn the_tail_keeps_the_last_bytes() {
        let mut tail = StderrTail::default();
        tail.push(&vec![b'a'; TAIL_BYTES]);
        tail.push(b"the end");
        let text = tail.text();
        assert_eq!(text.len(), TAIL_BYTES);
        assert!(text.ends_with("athe end"));
    }
}
