//! What a worker wrote to standard error before it died, which often says why.

use memchr::memmem;

use crate::session::crash_report::{FAULT, of_user};

const TAIL_BYTES: usize = 8 << 10;
/// How much of a crash report is read: the stacks of a hundred threads.
const REPORT_BYTES: usize = 1 << 20;
/// What is kept of the words before a report: what a library said as it gave up.
const BEFORE_BYTES: usize = 2 << 10;
/// How the stack of the thread that crashed begins.
const CRASHED: &str = "Current thread";

/// The last bytes on a worker's standard error, and its last crash report, however long that is.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    recent: Vec<u8>,
    report: Option<Report>,
}

#[derive(Debug)]
struct Report {
    before: Vec<u8>,
    text: Vec<u8>,
}

impl LastWords {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let from = self.recent.len().saturating_sub(FAULT.len() - 1);
        self.recent.extend_from_slice(bytes);
        if let Some(at) = memmem::rfind(&self.recent[from..], FAULT) {
            let (before, text) = self.recent.split_at(from + at);
            let before = before[before.len().saturating_sub(BEFORE_BYTES)..].to_owned();
            self.report = Some(Report { before, text: text.to_owned() });
        } else if let Some(report) = &mut self.report {
            let room = REPORT_BYTES.saturating_sub(report.text.len()).min(bytes.len());
            report.text.extend_from_slice(&bytes[..room]);
        }
        if self.recent.len() > 2 * TAIL_BYTES {
            self.recent.drain(..self.recent.len() - TAIL_BYTES);
        }
    }

    /// The last crash report. Forked children write theirs to the same place: it is the worker's own only where that crashed.
    /// Of a long one, the stack of the thread that crashed comes before those of others.
    pub(crate) fn fault(&self) -> Option<String> {
        self.report.as_ref().map(|report| shortened(&of_user(&text(&report.text)), TAIL_BYTES))
    }

    /// The last bytes before the crash report; the last bytes where there is none.
    pub(crate) fn before_fault(&self) -> String {
        self.report.as_ref().map_or_else(|| self.tail(), |report| text(&report.before))
    }

    /// The last bytes.
    pub(crate) fn tail(&self) -> String {
        text(&self.recent[self.recent.len().saturating_sub(TAIL_BYTES)..])
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// A report in so many bytes.
fn shortened(report: &str, most: usize) -> String {
    if report.len() <= most {
        return report.to_owned();
    }
    let (crashed, others): (Vec<&str>, Vec<&str>) =
        report.split("\n\n").skip(1).partition(|stack| stack.starts_with(CRASHED));
    let head = report.split("\n\n").next().unwrap_or_default();
    let mut short = [vec![head], crashed, others].concat().join("\n\n");
    let end = (0..=most.min(short.len())).rev().find(|&at| short.is_char_boundary(at)).unwrap_or(0);
    short.truncate(end);
    short.push_str("\n…");
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(texts: &[&str]) -> LastWords {
        let mut words = LastWords::default();
        texts.iter().for_each(|text| words.push(text.as_bytes()));
        words
    }

    #[test]
    fn the_last_bytes_are_kept() {
        let words = written(&[&"a".repeat(TAIL_BYTES), "b", &"a".repeat(2 * TAIL_BYTES), "the end"]);
        assert_eq!(words.before_fault().len(), TAIL_BYTES);
        assert!(words.tail().ends_with("athe end") && words.fault().is_none());
    }

    #[test]
    fn a_report_is_found_wherever_it_is() {
        let stack = |name: &str| {
            format!("{name} 0x7f (most recent call first):\n{}", "  File \"x\", line 1 in deep\n".repeat(100))
        };
        let others = vec![stack("Thread"); 20].join("\n");
        let report = format!("Fatal Python error: Aborted\n\n{others}\n{}\n{others}", stack(CRASHED));
        let (one, two) = report.split_at(7);
        let words =
            written(&["Fatal Python error: printed\n", &"x".repeat(9000), "\nfree(): invalid pointer\n", one, two]);
        let fault = words.fault().expect("a report");
        assert!(fault.starts_with("Fatal Python error: Aborted\n\nCurrent thread 0x7f"), "{fault}");
        assert!(fault.len() <= TAIL_BYTES + 4 && fault.ends_with('…'), "{}", fault.len());
        let text = words.before_fault();
        assert!(text.ends_with("free(): invalid pointer") && text.len() <= BEFORE_BYTES, "{text}");
    }

    #[test]
    fn a_report_is_told_once() {
        let words = written(&["bad\nFatal Python error: Aborted\n\nCurrent thread\n", "  File\n"]);
        assert_eq!(words.before_fault(), "bad");
        assert_eq!(words.fault().as_deref(), Some("Fatal Python error: Aborted\n\nCurrent thread\n  File"));
    }
}
