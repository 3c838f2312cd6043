//! How a command ended.

/// How a command ended, other than by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    Success,
    /// The command printed its result, and the result is a failure: an exception, a check that found a problem.
    Failure,
}
