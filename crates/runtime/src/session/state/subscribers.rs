//! The subscribers of a session: what happens in it, and belongs to no call that runs, reaches all of them.

use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem, WorkerDeath};
use bytes::Bytes;
use serde_json::json;

use crate::session::call::{CallResult, RequestId, Response};
use crate::session::event::Event;
use crate::session::event_channel::EventChannel;
use crate::worker::chunks::Chunks;

/// How many a session has at most: what each has not read is kept for it.
const MAX_SUBSCRIBERS: usize = 64;

/// The subscribers of one session.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(Vec<Subscriber>);

/// A subscriber, with the id by which its client can cancel the subscription.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) channel: Arc<EventChannel>,
    pub(crate) request_id: Option<RequestId>,
}

impl Subscribers {
    /// Adds a subscriber, which first learns of the session's epoch.
    pub(crate) fn add(&mut self, new: Subscriber, session: &str, epoch: u64) -> Result<(), Problem> {
        self.0.retain(|subscriber| !subscriber.channel.is_detached());
        if self.0.len() >= MAX_SUBSCRIBERS {
            let detail = format!("the session has {MAX_SUBSCRIBERS} subscribers, the most that it may have");
            return Err(Problem::new(ErrorCode::QueueFull, detail));
        }
        new.channel.emit(session_event(session, epoch, None));
        self.0.push(new);
        Ok(())
    }

    /// Gives them output, at most `cap` unread bytes of it.
    pub(crate) fn write(&self, stderr: bool, bytes: &[u8], cap: usize) {
        self.0.iter().for_each(|subscriber| subscriber.channel.write(stderr, bytes, cap));
    }

    /// Gives them an event. Returns false where no one takes it.
    pub(crate) fn emit(&self, event: impl Fn() -> Event) -> bool {
        self.0.iter().filter(|subscriber| subscriber.channel.emit(event())).count() > 0
    }

    /// The worker is gone, as `death` says, and the next one will have this epoch.
    pub(crate) fn restarted(&self, session: &str, epoch: u64, death: &WorkerDeath) {
        self.emit(|| session_event(session, epoch, Some(death)));
    }

    /// The session has ended: with a problem, unless it was to end.
    pub(crate) fn end(&mut self, problem: Option<&Problem>, epoch: u64) {
        for subscriber in self.0.drain(..) {
            subscriber.channel.end(last_response(problem, epoch));
        }
    }

    /// Ends the subscriptions of this id. Returns false where there are none.
    pub(crate) fn end_of(&mut self, request_id: &RequestId, epoch: u64) -> bool {
        let ended = self.0.extract_if(.., |subscriber| subscriber.request_id.as_ref() == Some(request_id));
        ended.map(|subscriber| subscriber.channel.end(last_response(None, epoch))).count() > 0
    }
}

/// What a subscriber is told at last.
fn last_response(problem: Option<&Problem>, epoch: u64) -> Response {
    match problem {
        Some(problem) => Response::problem(problem.clone(), epoch),
        None => {
            let result = CallResult::Object(Chunks::from(Bytes::from_static(br#"{"success":true}"#)));
            Response { result, output: Default::default(), epoch }
        }
    }
}

fn session_event(session: &str, epoch: u64, death: Option<&WorkerDeath>) -> Event {
    let mut about = json!({ "sessionId": session, "sessionEpoch": epoch });
    if let Some(death) = death {
        about["death"] = json!(death);
    }
    Event::Session(Chunks::from(Bytes::from(about.to_string())))
}
