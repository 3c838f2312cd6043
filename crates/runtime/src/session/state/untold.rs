//! What clients have not been told of a loss yet. `settling` tells them.

use std::time::Duration;

use beep_python_protocol::WorkerDeath;

use crate::session::call::CallResult;
use crate::session::error::KillReason;
use crate::session::state::call_record::InFlightCall;

/// The calls that have stopped, each with its result.
#[derive(Debug, Default)]
pub(crate) struct Settling(pub(super) Vec<(InFlightCall, CallResult)>);

/// A session that has more than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    pub(crate) held: u64,
    pub(crate) limit: u64,
    /// The time that is left to it.
    pub(crate) time: Duration,
}

/// The end of a worker that nobody was told of.
#[derive(Debug)]
pub(crate) struct UntoldLoss {
    pub(super) death: WorkerDeath,
    pub(super) why: Option<KillReason>,
}
