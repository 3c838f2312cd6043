//! What the interpreter writes of its stacks while it crashes: the user's frames of it, once.

use std::borrow::Cow;

use memchr::{memchr, memmem};

/// The first words of the report.
pub(crate) const FAULT: &[u8] = b"Fatal Python error: ";
/// How a frame begins.
const FRAME: &[u8] = b"  File \"";
/// How the lines of a report begin: of faulthandler and of `Py_FatalError`.
const LINES: [&[u8]; 9] = [
    FAULT,
    b"  ",
    b"\n",
    b"...\n",
    b"Current thread",
    b"Thread 0x",
    b"Stack (most recent call first)",
    b"Python runtime state: ",
    b"Extension modules: ",
];
/// A longer line is no frame: the interpreter cuts paths and names to 500 characters.
const LONGEST_FRAME: usize = 4096;

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

/// Whether a line is a frame of our own package, wherever that is unpacked: `…/python-HASH/beep_python/_….py`.
fn is_own(line: &str) -> bool {
    let path = line.strip_prefix("  File \"").and_then(|rest| rest.split('"').next());
    let package = path.and_then(|path| path.rsplit_once("/beep_python/_")).map(|(package, _)| package);
    package.and_then(|package| package.rsplit_once("/python-")).is_some_and(|(_, hash)| !hash.contains('/'))
}

/// Whether a line, or its beginning, may be of a report.
fn is_of_report(line: &[u8]) -> bool {
    LINES.iter().any(|begin| line.starts_with(begin) || begin.starts_with(line))
}

/// Whether this may be a frame.
fn is_frame(line: &[u8]) -> bool {
    line.starts_with(FRAME) || FRAME.starts_with(line)
}

/// Leaves the worker's own frames out of a report while it is written.
#[derive(Debug, Default)]
pub(crate) struct CrashReportFilter {
    /// The lines that come now are of a report.
    within: bool,
    /// The beginning of the present line was passed.
    in_line: bool,
    /// The beginning of the present line, where that may be a frame.
    held: Vec<u8>,
}

impl CrashReportFilter {
    pub(crate) fn pass<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if !self.within && memmem::find(bytes, FAULT).is_none() {
            return Cow::Borrowed(bytes);
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut passed = Vec::with_capacity(all.len());
        let mut rest = &all[..];
        while !rest.is_empty() {
            rest = if self.within { self.pass_line(rest, &mut passed) } else { self.pass_other(rest, &mut passed) };
        }
        Cow::Owned(passed)
    }

    /// Takes what is held: no more of its line is waited for.
    pub(crate) fn flush(&mut self) -> Vec<u8> {
        self.in_line |= !self.held.is_empty();
        std::mem::take(&mut self.held)
    }

    /// Passes what comes before the next report. Returns the rest.
    fn pass_other<'a>(&mut self, bytes: &'a [u8], passed: &mut Vec<u8>) -> &'a [u8] {
        let (other, rest) = bytes.split_at(memmem::find(bytes, FAULT).unwrap_or(bytes.len()));
        passed.extend_from_slice(other);
        (self.within, self.in_line) = (!rest.is_empty(), false);
        rest
    }

    /// Passes the next line, unless it is our own or may become so. Returns the rest: the line too where it ends the report.
    fn pass_line<'a>(&mut self, bytes: &'a [u8], passed: &mut Vec<u8>) -> &'a [u8] {
        let end = memchr(b'\n', bytes).map(|at| at + 1);
        let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if self.in_line {
            self.in_line = end.is_none();
            passed.extend_from_slice(line);
        } else if !is_of_report(line) || is_frame(line) && line.len() > LONGEST_FRAME {
            self.within = false;
            return bytes;
        } else if is_frame(line) && end.is_none() {
            self.held = line.to_owned();
        } else if !is_own(&String::from_utf8_lossy(line)) {
            self.in_line = end.is_none();
            passed.extend_from_slice(line);
        }
        rest
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

    #[test]
    fn what_is_held_is_bounded_and_nothing_is_lost() {
        let mut filter = CrashReportFilter::default();
        let mut wanted = b"Fatal Python error: x\n".to_vec();
        let mut passed = filter.pass(&wanted).into_owned();
        for piece in [&b"  File \""[..], &[b'a'; 3000], &[b'a'; 3000], &[b'a'; 3000], b"\"\n  File \"x"] {
            wanted.extend_from_slice(piece);
            passed.extend_from_slice(&filter.pass(piece));
            assert!(filter.held.len() <= LONGEST_FRAME, "{}", filter.held.len());
        }
        passed.extend_from_slice(&filter.flush());
        assert!(passed == wanted, "{}", String::from_utf8_lossy(&passed));
    }

    #[test]
    fn a_report_ends_with_the_first_line_that_is_of_none() {
        let own = "  File \"/h/cache/python-18ab/beep_python/_exec.py\", line 20 in run\n";
        let mut filter = CrashReportFilter::default();
        filter.pass(format!("Fatal Python error: x\n{own}").as_bytes());
        for other in ["said\n", own, "  ", "  File \""] {
            assert_eq!(&*filter.pass(other.as_bytes()), other.as_bytes());
        }
        let report = format!("\nFatal Python error: y\n\nThread 0x1 (most recent call first):\n{own}");
        assert_eq!(&*filter.pass(report.as_bytes()), &report.as_bytes()[..report.len() - own.len()], "the next report");
        // A line of which a part was taken goes on as it is.
        assert_eq!((&*filter.pass(b"  "), filter.flush()), (&b""[..], b"  ".to_vec()));
        assert_eq!(&*filter.pass(&own.as_bytes()[2..]), &own.as_bytes()[2..]);
        assert_eq!(&*filter.pass(own.as_bytes()), b"");
    }

    #[test]
    fn own_frames_are_known_below_any_folder() {
        let frame = |path: &str| is_own(&format!("  File \"{path}\", line 1 in f"));
        assert!(frame("/opt/python-3.12/home/cache/python-18ab/beep_python/_exec.py"));
        assert!(frame("/beep_python/_a/python-18ab/beep_python/_exec.py"));
        assert!(!frame("/opt/python-3.12/lib/beep_python/_exec.py") && !frame("/opt/python-3.12/x.py"));
    }
}
