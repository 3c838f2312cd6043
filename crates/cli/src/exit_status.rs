//! How a command ended.

/// How a command ended, other than by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    Success,
    /// The command printed its result, and the result is a failure: an exception, a check that found a problem.
    Failure,
    /// The code that the command ran asked for this status.
    Code(u8),
}

impl ExitStatus {
    /// The status of the process.
    pub(crate) fn code(self) -> u8 {
        match self {
            ExitStatus::Success => 0,
            ExitStatus::Failure => 1,
            ExitStatus::Code(code) => code,
        }
    }
}
