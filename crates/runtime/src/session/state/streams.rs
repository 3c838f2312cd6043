//! Streams between two batches, and how a stream ends before its last item.

use beep_python_protocol::{ErrorCode, Operation, Outcome, Problem};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::session::call::{CallId, CallResult, Request, RequestId};
use crate::session::error::cancelled_error;

/// What the worker answers at the end of a batch.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchEnd {
    /// The stream's handle; `None` once the stream is over.
    #[serde(default)]
    pub(crate) handle_id: Option<String>,
    /// Whether the stream is over.
    pub(crate) done: bool,
    /// How many items the batch had.
    pub(crate) count: u64,
    /// What the generator has returned, unless that is None.
    #[serde(default)]
    pub(crate) returned: Option<Box<RawValue>>,
}

impl BatchEnd {
    /// The end of a batch, if the result is one.
    pub(crate) fn of(result: &CallResult) -> Option<BatchEnd> {
        match result {
            CallResult::Object(body) => serde_json::from_slice(&body.contiguous()).ok(),
            _ => None,
        }
    }
}

/// The request that disposes of a stream, which closes its generator.
pub(crate) fn dispose_request(handle_id: &str) -> Request {
    let body = serde_json::json!({ "handleIds": [handle_id] }).to_string();
    Request::new(Operation::Dispose, body)
}

/// Makes the result of a batch say that the stream was stopped. Returns the stream's handle; `None` where it is over.
pub(crate) fn mark_cancelled(result: &mut CallResult, why: ErrorCode) -> Option<String> {
    let handle_id = BatchEnd::of(result).filter(|batch| !batch.done)?.handle_id?;
    *result = cancelled_error(why, Outcome::StateKept).into();
    Some(handle_id)
}

/// A stream that this host continues, between two of its batches: its subscriber has not asked for more so far.
#[derive(Debug)]
pub(crate) struct PausedStream {
    /// The call of the batch that has ended.
    pub(crate) batch: CallId,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) handle_id: String,
}

/// The paused streams of a session. Each is a call in progress, until it is stopped.
#[derive(Debug, Default)]
pub(crate) struct PausedStreams {
    open: Vec<PausedStream>,
    /// Why others do not go on. Their subscribers learn it as soon as they ask for more.
    stopped: Vec<(CallId, Problem)>,
}

impl PausedStreams {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn pause(&mut self, stream: PausedStream) {
        self.open.push(stream);
    }

    /// The stream goes on after this batch; an error where it was stopped meanwhile.
    pub(crate) fn resume(&mut self, batch: CallId) -> Result<(), Problem> {
        self.open.retain(|stream| stream.batch != batch);
        match self.stopped.iter().position(|(stopped, _)| *stopped == batch) {
            Some(at) => Err(self.stopped.swap_remove(at).1),
            None => Ok(()),
        }
    }

    /// The subscriber of a stream goes. Returns whether the stream was open.
    pub(crate) fn leave(&mut self, batch: CallId) -> bool {
        let before = self.open.len();
        self.open.retain(|stream| stream.batch != batch);
        self.stopped.retain(|(stopped, _)| *stopped != batch);
        self.open.len() < before
    }

    /// Cancels the streams of this id, or all. Returns their handles.
    pub(crate) fn cancel(&mut self, request_id: Option<&RequestId>) -> Vec<String> {
        let cancelled = |stream: &mut PausedStream| request_id.is_none_or(|id| stream.request_id.as_ref() == Some(id));
        let cancelled: Vec<_> = self.open.extract_if(.., cancelled).collect();
        let problem = cancelled_error(ErrorCode::Cancelled, Outcome::StateKept);
        self.stopped.extend(cancelled.iter().map(|stream| (stream.batch, problem.clone())));
        cancelled.into_iter().map(|stream| stream.handle_id).collect()
    }

    /// Stops all: they are gone with their worker.
    pub(crate) fn stop_all(&mut self, problem: &Problem) {
        self.stopped.extend(self.open.drain(..).map(|stream| (stream.batch, problem.clone())));
    }
}
