//! What the interpreter writes of its stacks while it crashes: the user's frames of it, once.

use std::borrow::Cow;

use memchr::memmem;

/// The first words of the report.
pub(crate) const FAULT: &[u8] = b"Fatal Python error: ";
/// How a frame begins.
const FRAME: &[u8] = b"  File \"";
/// What is in the path of our own package, wherever it is unpacked.
const OWN: [&str; 2] = ["/python-", "/beep_python/_"];

/// A report without the frames of the worker's own code.
pub(crate) fn of_user(report: &str) -> String {
    report.lines().filter(|line| !is_own(line)).collect::<Vec<_>>().join("\n")
}

/// Standard error without the report, which is told beside it.
pub(crate) fn cut(stderr: &mut String) {
    if let Some(at) = memmem::rfind(stderr.as_bytes(), FAULT) {
        stderr.truncate(at);
    }
}

fn is_own(line: &str) -> bool {
    let path = line.strip_prefix("  File \"").and_then(|rest| rest.split('"').next());
    path.is_some_and(|path| {
        path.split_once(OWN[0])
            .is_some_and(|(_, rest)| rest.split_once(OWN[1]).is_some_and(|(hash, _)| !hash.contains('/')))
    })
}

/// Leaves the worker's own frames out of a report while it is written.
#[derive(Debug, Default)]
pub(crate) struct CrashReportFilter {
    begun: bool,
    /// A frame that is not written to its end.
    held: Vec<u8>,
}

impl CrashReportFilter {
    pub(crate) fn pass<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let from = match (self.begun, memmem::find(bytes, FAULT)) {
            (true, _) => 0,
            (false, Some(at)) => at,
            (false, None) => return Cow::Borrowed(bytes),
        };
        self.begun = true;
        let mut passed = bytes[..from].to_owned();
        let mut rest = std::mem::take(&mut self.held);
        rest.extend_from_slice(&bytes[from..]);
        for line in rest.split_inclusive(|&byte| byte == b'\n') {
            if !line.ends_with(b"\n") && (line.starts_with(FRAME) || FRAME.starts_with(line)) {
                self.held = line.to_owned();
            } else if !is_own(&String::from_utf8_lossy(line)) {
                passed.extend_from_slice(line);
            }
        }
        Cow::Owned(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "said\nFatal Python error: Aborted\n\nCurrent thread 0x7f (most recent call first):\n  File \"<session 1>\", line 1 in f\n  \
                          File \"/h/cache/python-18ab/beep_python/_exec.py\", line 20 in run\n\nThread 0x8:\n  File \"/h/python-3/x.py\", line 1 in g\n  end\n";

    #[test]
    fn own_frames_are_left_out_however_the_report_comes() {
        let expected = REPORT.replace("  File \"/h/cache/python-18ab/beep_python/_exec.py\", line 20 in run\n", "");
        assert_ne!(expected, REPORT);
        let (said, report) = REPORT.split_at(5);
        assert_eq!(of_user(report), expected[5..].trim_end_matches('\n'));
        for size in [FAULT.len(), 21, 37, REPORT.len()] {
            let mut filter = CrashReportFilter::default();
            let mut passed = filter.pass(said.as_bytes()).into_owned();
            report.as_bytes().chunks(size).for_each(|piece| passed.extend_from_slice(&filter.pass(piece)));
            assert_eq!(String::from_utf8(passed).unwrap(), expected, "{size}");
        }
        let mut stderr = REPORT.to_owned();
        cut(&mut stderr);
        assert_eq!(stderr, "said\n");
    }

    #[test]
    fn other_output_passes_at_once() {
        let mut filter = CrashReportFilter::default();
        for text in ["  File \"/h/cache/python-18ab/beep_python/_exec.py\"", "unfinished", "\n"] {
            assert_eq!(&*filter.pass(text.as_bytes()), text.as_bytes());
        }
    }
}
