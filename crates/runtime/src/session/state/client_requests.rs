//! Questions that Python code asks its clients, until they are answered.

use std::collections::HashMap;
use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem, ValueForm};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::worker::write_queue::WriteQueue;

/// How many may be open in one session.
const MAX_OPEN: usize = 1024;

/// What a client said: the request that carried its answer.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) body: Bytes,
    pub(crate) form: ValueForm,
}

/// The open questions of a session.
#[derive(Debug, Default)]
pub(crate) struct ClientRequests {
    last: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    /// The id of the call that asks.
    call: u64,
    answer: oneshot::Sender<Told>,
    /// The way to the thread that waits, where it is one that carries out calls.
    way: Option<Way>,
}

/// How a thread that waits for the host is reached.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) outbox: Arc<WriteQueue>,
    /// The id of its call to the host.
    pub(crate) host_call: u64,
}

impl ClientRequests {
    /// A new one of this call; its id, and where its answer comes. An error when it ends without one.
    pub(crate) fn open(&mut self, call: u64, way: Option<Way>) -> Result<(String, oneshot::Receiver<Told>), Problem> {
        if self.open.len() >= MAX_OPEN {
            let detail = format!("{MAX_OPEN} questions of this session have no answer yet");
            return Err(Problem::new(ErrorCode::QueueFull, detail));
        }
        self.last += 1;
        let (answer, receiver) = oneshot::channel();
        self.open.insert(self.last, Open { call, answer, way });
        Ok((format!("q{}", self.last), receiver))
    }

    /// Answers one.
    pub(crate) fn answer(&mut self, id: &str, told: Told) -> Result<(), Problem> {
        let open = number(id).and_then(|number| self.open.remove(&number)).ok_or_else(|| unknown(id))?;
        open.answer.send(told).map_err(|_| unknown(id))
    }

    /// Those of this call get no answer any more.
    pub(crate) fn end_of(&mut self, call: u64) {
        if !self.open.is_empty() {
            self.open.retain(|_, open| open.call != call);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }

    /// The way to the thread that waits for this answer, and the id of its call.
    pub(crate) fn way(&self, id: &str) -> Result<(&Way, u64), Problem> {
        let open = number(id).and_then(|number| self.open.get(&number)).ok_or_else(|| unknown(id))?;
        let way = open.way.as_ref().ok_or_else(|| {
            let detail = "only a callback that the session's main thread waits for carries out calls; call without it";
            Problem::new(ErrorCode::InvalidRequest, detail)
        })?;
        Ok((way, open.call))
    }
}

fn number(id: &str) -> Option<u64> {
    id.strip_prefix('q')?.parse().ok()
}

fn unknown(id: &str) -> Problem {
    let id: String = id.chars().take(64).collect();
    let detail = format!("no question '{id}' waits: it was answered, or its call has ended");
    Problem::new(ErrorCode::UnknownQuestion, detail)
}
