//! Requests of Python code to its clients, until they are answered.

use std::collections::HashMap;

use beep_python_protocol::{ErrorCode, Problem, ValueForm};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::session::state::subscribers::SubscriptionId;
use crate::worker::wire::WireId;

/// How many may wait for an answer in one session.
const MAX_CLIENT_REQUESTS: usize = 1024;

/// No call has this id.
pub(crate) const NO_CALL: WireId = WireId(0);

/// The reply of a client: the body of the request that carried it.
#[derive(Debug)]
pub(crate) struct ClientReply {
    pub(crate) body: Bytes,
    pub(crate) form: ValueForm,
}

/// Where a nested call goes: to the thread that waits for the result of a call from Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NestedRoute {
    /// The call around it.
    pub(crate) call: WireId,
    /// The id of the call from Python.
    pub(crate) host_call: u64,
}

/// The requests of a session that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct ClientRequests {
    last_id: u64,
    pending: HashMap<u64, PendingRequest>,
}

#[derive(Debug)]
struct PendingRequest {
    /// The call that asks; [`NO_CALL`] where none runs for the code that does.
    call: WireId,
    /// The subscription over which a kept callback's client is asked.
    over: Option<SubscriptionId>,
    reply: oneshot::Sender<ClientReply>,
    host_call: HostCallId,
}

/// The call from Python that is a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostCallId {
    pub(crate) id: u64,
    /// Whether the thread that waits for its result takes nested calls.
    pub(crate) takes_nested: bool,
}

/// Requests that get no answer any more, once they are dropped.
#[derive(Debug)]
pub(crate) struct EndedRequests {
    _pending: Vec<PendingRequest>,
}

impl ClientRequests {
    /// A new request of this call: its id, and where its answer comes. The receiver fails when it ends without one.
    pub(crate) fn open(
        &mut self,
        call: WireId,
        over: Option<SubscriptionId>,
        host_call: HostCallId,
    ) -> Result<(String, oneshot::Receiver<ClientReply>), Problem> {
        if self.pending.len() >= MAX_CLIENT_REQUESTS {
            let detail = format!("{MAX_CLIENT_REQUESTS} questions of this session have no answer yet");
            return Err(Problem::new(ErrorCode::QueueFull, detail));
        }
        self.last_id += 1;
        let (reply, receiver) = oneshot::channel();
        self.pending.insert(self.last_id, PendingRequest { call, over, reply, host_call });
        Ok((format!("q{}", self.last_id), receiver))
    }

    /// Answers a request.
    pub(crate) fn answer(&mut self, id: &str, reply: ClientReply) -> Result<(), Problem> {
        let request = number(id).and_then(|number| self.pending.remove(&number)).ok_or_else(|| unknown(id))?;
        request.reply.send(reply).map_err(|_| unknown(id))
    }

    /// Ends the requests of this call: they get no answer.
    pub(crate) fn end_of(&mut self, call: WireId) {
        if !self.pending.is_empty() {
            self.pending.retain(|_, request| request.call != call);
        }
    }

    /// Ends the requests of this call once what this returns is dropped; `None` where there are none.
    pub(crate) fn take_of(&mut self, call: WireId) -> Option<EndedRequests> {
        if self.pending.is_empty() {
            return None;
        }
        let ended = self.pending.extract_if(|_, request| request.call == call).map(|(_, request)| request);
        Some(EndedRequests { _pending: ended.collect() })
    }

    /// Ends the requests that went to these subscribers.
    pub(crate) fn end_over(&mut self, ended: &[SubscriptionId]) {
        self.pending.retain(|_, request| request.over.is_none_or(|over| !ended.contains(&over)));
    }

    /// Ends the request that this call from Python is, if it is one: nobody waits for its answer.
    pub(crate) fn withdraw(&mut self, host_call: u64) {
        self.pending.retain(|_, request| request.host_call.id != host_call);
    }

    /// Ends all of them.
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
    }

    /// Where calls go that are nested in this request.
    pub(crate) fn route(&self, id: &str) -> Result<NestedRoute, Problem> {
        let request = number(id).and_then(|number| self.pending.get(&number)).ok_or_else(|| unknown(id))?;
        if !request.host_call.takes_nested {
            let detail = "only a callback that the session's main thread waits for carries out calls; call without it";
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        }
        Ok(NestedRoute { call: request.call, host_call: request.host_call.id })
    }
}

fn number(id: &str) -> Option<u64> {
    id.strip_prefix('q')?.parse().ok()
}

fn unknown(id: &str) -> Problem {
    let id: String = id.chars().take(64).collect();
    let detail = format!("no question '{id}' waits: it was answered, or its call was interrupted or has ended");
    Problem::new(ErrorCode::UnknownQuestion, detail)
}
