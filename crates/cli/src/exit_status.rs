//! How a command ended.

/// How a command ended, other than by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    Success,
    /// The command printed its result, and the result is a failure: an exception, a check that found a problem.
    Failure,
    /// The code that the command ran asked for this status.
    Code(u8),
    /// The command ends by this signal, as it would if it did not handle it.
    Signal(i32),
}

impl ExitStatus {
    /// The status of the process.
    pub(crate) fn code(self) -> u8 {
        match self {
            ExitStatus::Success => 0,
            ExitStatus::Failure => 1,
            ExitStatus::Code(code) => code,
            // What a shell makes of it.
            ExitStatus::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }
}
