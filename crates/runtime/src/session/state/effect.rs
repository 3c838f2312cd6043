//! What a transition of the state asks for.

use std::time::Duration;

use beep_python_protocol::message::CancelOutcome;
use tokio::sync::oneshot;

use crate::session::call::Response;
use crate::session::state::client_requests::EndedRequests;
use crate::session::state::lifecycle::Lifecycle;
use crate::session::state::reply_sink::ReplySink;
use crate::worker::process_group::ProcessMark;
use crate::worker::wire::HostMessage;

/// One thing to do once a transition is made, in order, before the next transition.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Write a message to the worker. The slot of a request on the shared page is cleared first.
    Send(HostMessage),
    /// Give a caller its response.
    Reply(ReplySink, Response),
    /// Tell a client that cancelled a call what became of it.
    ReportCancel(oneshot::Sender<CancelOutcome>, CancelOutcome),
    /// A call is answered that had waited so long for its turn.
    Waited(Duration),
    /// So many calls that were sent to the worker have ended.
    CallsEnded(usize),
    /// Interrupt the call that the shared page marks as cancelled, and the worker's processes; of a nested call, those that began
    /// since it did.
    Interrupt { since: Option<ProcessMark> },
    /// Tell Python code that its client requests get no reply.
    EndRequests(EndedRequests),
    /// Kill the worker.
    Kill,
    /// Start a worker: the session had failed.
    StartWorker,
    /// Nothing is left to wait for in a session that closes.
    Drained,
    /// The running call, or a waiting one, has limits that only sampling shows to be exceeded.
    PollUsage,
    /// Publish where the session stands.
    Publish(Lifecycle),
}

/// The effects of a transition, in order.
pub(crate) type Effects = Vec<Effect>;
