//! Where a response goes.

use beep_python_protocol::Capabilities;
use beep_python_protocol::message::CancelOutcome;
use tokio::sync::oneshot;

use crate::session::call::{CallId, Response};
use crate::session::event_channel::{Batch, EventSender};

/// The receiver of a response.
#[derive(Debug)]
pub(crate) enum ReplySink {
    /// To a caller that takes nothing else.
    Oneshot(oneshot::Sender<Response>),
    /// To a subscriber, after the call's events.
    Stream(EventSender, Capabilities),
    /// To nobody: a call of the session's own.
    Discard,
}

impl ReplySink {
    pub(crate) fn send(self, response: Response) {
        match self {
            ReplySink::Oneshot(caller) => drop(caller.send(response)),
            ReplySink::Stream(sender, _) => sender.channel.end(response),
            ReplySink::Discard => {}
        }
    }

    /// Whether a client waits for the response; not for a call of the session's own.
    pub(crate) fn is_of_client(&self) -> bool {
        !matches!(self, ReplySink::Discard)
    }

    /// What its client answers while the call runs; `None` where it takes no events.
    pub(crate) fn capabilities(&self) -> Option<Capabilities> {
        match self {
            ReplySink::Stream(_, capabilities) => Some(*capabilities),
            ReplySink::Oneshot(_) | ReplySink::Discard => None,
        }
    }

    /// The call of the batch before, of a stream that goes on.
    pub(crate) fn continues(&self) -> Option<CallId> {
        match self {
            ReplySink::Stream(EventSender { batch: Some(Batch::Continuation { after }), .. }, _) => Some(*after),
            _ => None,
        }
    }

    /// What became of a call that will not start. Of a stream, earlier batches ran.
    pub(crate) fn outcome_if_not_started(&self) -> CancelOutcome {
        match self {
            ReplySink::Stream(EventSender { batch: Some(Batch::Continuation { .. }), .. }, _) => {
                CancelOutcome::StateKept
            }
            _ => CancelOutcome::NotStarted,
        }
    }
}
