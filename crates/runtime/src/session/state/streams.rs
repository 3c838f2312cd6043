//! Streams between two batches, and how a stream ends before its last item.

use std::sync::{Arc, Weak};

use beep_python_protocol::{ErrorCode, Operation, Outcome};
use serde::Deserialize;

use crate::session::call::{CallResult, Request, RequestId};
use crate::session::error::cancelled_error;
use crate::session::event_channel::EventChannel;

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

/// The named streams of a session between two batches: their subscribers have not read so far that more is asked for.
#[derive(Debug, Default)]
pub(crate) struct PausedStreams(Vec<(RequestId, Weak<EventChannel>)>);

impl PausedStreams {
    /// A batch of this stream has ended.
    pub(crate) fn add(&mut self, request_id: RequestId, channel: &Arc<EventChannel>) {
        self.0.retain(|(_, channel)| channel.strong_count() > 0);
        self.0.push((request_id, Arc::downgrade(channel)));
    }

    /// Cancels the streams of this id: their subscribers read that next. Returns the streams' handles.
    pub(crate) fn cancel(&mut self, request_id: &RequestId) -> Vec<String> {
        let named = self.0.iter().filter(|(id, _)| id == request_id);
        let channels = named.filter_map(|(_, channel)| channel.upgrade());
        let cancel = |channel: Arc<EventChannel>| {
            channel.revise(|response| mark_cancelled(&mut response.result, ErrorCode::Cancelled)).flatten()
        };
        channels.filter_map(cancel).collect()
    }
}
