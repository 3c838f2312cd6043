//! Where a session stands.

use beep_python_protocol::Problem;

/// A worker that takes calls. The epoch tells it from every other worker of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkId {
    pub(crate) epoch: u64,
    pub(crate) pid: i32,
}

/// Where a session stands.
///
/// ```text
/// Starting ⇄ Running        a worker is ready, and is gone
/// Starting ⇄ Failed         no worker could be started; the next call tries again
/// any → Closing → Closed    calls in progress finish first, or are interrupted; nothing leads back
/// ```
#[derive(Clone, Debug)]
pub(crate) enum Lifecycle {
    /// A worker is being started.
    Starting,
    /// A worker takes calls.
    Running(LinkId),
    /// No worker could be started.
    Failed(Problem),
    /// New calls are rejected, those in progress finish; without a link once the worker is gone.
    Closing(Option<LinkId>),
    /// The worker is gone for good.
    Closed,
}

impl Lifecycle {
    /// The worker that takes calls.
    pub(crate) fn link(&self) -> Option<LinkId> {
        match *self {
            Lifecycle::Running(link) => Some(link),
            Lifecycle::Closing(link) => link,
            Lifecycle::Starting | Lifecycle::Failed(_) | Lifecycle::Closed => None,
        }
    }

    /// Whether the session takes no new calls any more.
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self, Lifecycle::Closing(_) | Lifecycle::Closed)
    }
}
