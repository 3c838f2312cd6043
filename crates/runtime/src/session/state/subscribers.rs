//! The subscribers of a session: what happens in it, and belongs to no call that runs, reaches all of them.

use std::fmt;
use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem, ValueForm, WorkerDeath};
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
pub(crate) struct Subscribers {
    last_id: u64,
    all: Vec<Subscription>,
}

/// A subscription of a session. Its text is `e1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionId(u64);

/// A subscriber.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) channel: Arc<EventChannel>,
    /// By which its client can cancel the subscription.
    pub(crate) request_id: Option<RequestId>,
    /// The form in which it takes the arguments of callbacks, if it answers those.
    pub(crate) callbacks: Option<ValueForm>,
}

#[derive(Debug)]
struct Subscription {
    id: SubscriptionId,
    subscriber: Subscriber,
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}", self.0)
    }
}

impl SubscriptionId {
    fn parse(text: &str) -> Option<SubscriptionId> {
        text.strip_prefix('e')?.parse().ok().map(SubscriptionId)
    }
}

impl Subscribers {
    /// Adds a subscriber, which first learns of the session's epoch and, to keep callbacks, of its id.
    pub(crate) fn add(&mut self, new: Subscriber, session: &str, epoch: u64) -> Result<SubscriptionId, Problem> {
        if self.all.len() >= MAX_SUBSCRIBERS {
            let detail = format!("the session has {MAX_SUBSCRIBERS} subscribers, the most that it may have");
            return Err(Problem::new(ErrorCode::QueueFull, detail));
        }
        self.last_id += 1;
        let id = SubscriptionId(self.last_id);
        new.channel.emit(session_event(session, epoch, new.callbacks.map(|_| id), None));
        self.all.push(Subscription { id, subscriber: new });
        Ok(id)
    }

    /// A subscriber goes.
    pub(crate) fn remove(&mut self, id: SubscriptionId) {
        self.all.retain(|subscription| subscription.id != id);
    }

    /// The subscription over which the client of a callback is asked: the one of this name, else the only one that answers callbacks;
    /// and the form in which it takes arguments.
    pub(crate) fn for_callbacks(&self, named: Option<&str>) -> Result<(SubscriptionId, ValueForm), Problem> {
        let wrong = |detail: String| Problem::new(ErrorCode::InvalidRequest, detail);
        let answering = self.all.iter().filter_map(|one| Some((one.id, one.subscriber.callbacks?)));
        if let Some(name) = named {
            let id = SubscriptionId::parse(name);
            return answering.clone().find(|(one, _)| Some(*one) == id).ok_or_else(|| {
                let name: String = name.chars().take(64).collect();
                wrong(format!(
                    "no subscription '{name}' to this session's events answers callbacks: it has ended, or was made without \
                     'callbacks' among its capabilities"
                ))
            });
        }
        let answering: Vec<_> = answering.collect();
        match answering[..] {
            [only] => Ok(only),
            [] => Err(wrong(
                "a callback that is kept is asked over a subscription to the session's events, and there is none that answers \
                 callbacks: subscribe first, with 'callbacks' among the capabilities"
                    .to_owned(),
            )),
            _ => Err(wrong(format!(
                "{} subscriptions to this session's events answer callbacks: say which one with 'keep', by the \
                 'subscriptionId' of its first event",
                answering.len()
            ))),
        }
    }

    /// The channel of this subscriber, unless it has gone.
    pub(crate) fn channel(&self, id: SubscriptionId) -> Option<&EventChannel> {
        let found = self.all.iter().find(|subscription| subscription.id == id)?;
        Some(&*found.subscriber.channel).filter(|channel| !channel.is_detached())
    }

    fn channels(&self) -> impl Iterator<Item = &EventChannel> {
        self.all.iter().map(|subscription| &*subscription.subscriber.channel)
    }

    /// Gives them output, at most `cap` unread bytes of it.
    pub(crate) fn write(&self, stderr: bool, bytes: &[u8], cap: usize) {
        self.channels().for_each(|channel| channel.write(stderr, bytes, cap));
    }

    /// Gives them an event. Returns false where no one takes it.
    pub(crate) fn emit(&self, event: impl Fn() -> Event) -> bool {
        self.channels().filter(|channel| channel.emit(event())).count() > 0
    }

    /// The worker is gone, as `death` says, and the next one will have this epoch.
    pub(crate) fn restarted(&self, session: &str, epoch: u64, death: &WorkerDeath) {
        self.emit(|| session_event(session, epoch, None, Some(death)));
    }

    /// The session has ended: with a problem, unless it was to end.
    pub(crate) fn end(&mut self, problem: Option<&Problem>, epoch: u64) {
        for subscription in self.all.drain(..) {
            subscription.subscriber.channel.end(last_response(problem, epoch));
        }
    }

    /// Ends the subscriptions of this request id, and returns them.
    pub(crate) fn end_of(&mut self, request_id: &RequestId, epoch: u64) -> Vec<SubscriptionId> {
        let ended = self.all.extract_if(.., |one| one.subscriber.request_id.as_ref() == Some(request_id));
        let ended = ended.map(|Subscription { id, subscriber }| {
            subscriber.channel.end(last_response(None, epoch));
            id
        });
        ended.collect()
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

fn session_event(session: &str, epoch: u64, id: Option<SubscriptionId>, death: Option<&WorkerDeath>) -> Event {
    let mut about = json!({ "sessionId": session, "sessionEpoch": epoch });
    if let Some(id) = id {
        about["subscriptionId"] = json!(id.to_string());
    }
    if let Some(death) = death {
        about["death"] = json!(death);
    }
    Event::Session(Chunks::from(Bytes::from(about.to_string())))
}
