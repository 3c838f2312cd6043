//! Following a call: its events, round after round where it is a stream, and what is done when nobody follows any more.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use beep_python_protocol::{Capabilities, ErrorCode, Operation, Outcome};
use bytes::Bytes;
use serde::Deserialize;

use crate::session::call::{CallResult, Request, RequestId, Response};
use crate::session::error::stopped;
use crate::session::event_channel::{Event, EventChannel, EventSender, EventStream, Round};
use crate::session::interrupt::climb;
use crate::session::session::Session;
use crate::session::session::closing;
use crate::session::state::call_record::ReplySink;
use crate::worker::frame::Body;

impl Session {
    /// Carries out one operation as [`call`](Session::call) does, and tells what happens on the way.
    ///
    /// A stream without a `credit` of its own is carried on by this host: whenever its items have been read, the next
    /// are asked for, behind whatever other calls wait by then.
    pub fn follow(&self, request: Request, capabilities: Capabilities) -> EventStream {
        let goes_on = request.operation == Operation::Stream && !says_credit(&request.body);
        let template = Request { body: Bytes::new(), ..request.clone() };
        let mut following = Following {
            session: self.clone(),
            feed: Arc::default(),
            capabilities,
            call_id: 0,
            goes_on,
            template,
            began: Instant::now(),
            handle_id: None,
            count: 0,
            ended: false,
        };
        following.ask(request);
        EventStream::new(following)
    }
}

#[derive(Debug)]
pub(crate) struct Following {
    session: Session,
    feed: Arc<EventChannel>,
    capabilities: Capabilities,
    /// That of the round under way.
    call_id: u64,
    /// Whether this host asks for the next round itself.
    goes_on: bool,
    /// What was asked for, but for its body.
    template: Request,
    began: Instant,
    /// The stream, once its first round is over.
    handle_id: Option<String>,
    /// Items of the rounds before.
    count: u64,
    ended: bool,
}

/// What the worker answers at the end of a round.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoundEnd {
    #[serde(default)]
    handle_id: Option<String>,
    done: bool,
    count: u64,
}

impl Following {
    fn grace(&self) -> Duration {
        self.template.grace.unwrap_or(self.session.shared.config.limits.grace)
    }

    fn ask(&mut self, request: Request) {
        let round = self.goes_on.then(|| if self.handle_id.is_none() { Round::First } else { Round::Further });
        let feeder = EventSender { feed: self.feed.clone(), round, otherwise: || Response::problem(closing(), 0) };
        let grace = self.grace();
        match self.session.enqueue(request, grace, ReplySink::Follower(feeder, self.capabilities)) {
            Ok(call_id) => self.call_id = call_id,
            Err(problem) => {
                let epoch = self.session.shared.queue().epoch;
                let feed = Arc::<EventChannel>::default();
                feed.end(Response::problem(problem, epoch));
                self.feed = feed;
            }
        }
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            let event = ready!(self.feed.poll_next(cx));
            let Event::Response(mut reply) = event else { return Poll::Ready(Some(event)) };
            if self.goes_on
                && let Some(round) = round_of(&reply.result)
            {
                self.count += round.count;
                if let Some(handle_id) = round.handle_id.filter(|_| !round.done) {
                    self.feed = Arc::default();
                    let body = serde_json::json!({ "handleId": handle_id }).to_string();
                    self.handle_id = Some(handle_id);
                    self.ask(self.next_request(Operation::Next, body));
                    continue;
                }
                let told = format!(r#"{{"done":true,"count":{}}}"#, self.count);
                reply.result = CallResult::Object(Body::from(Bytes::from(told)));
            }
            self.ended = true;
            if let (CallResult::Problem(problem), Some(handle_id)) = (&mut reply.result, self.handle_id.take()) {
                // A round that was not started, or not even asked for, closes nothing; but the stream was begun.
                if problem.outcome == Some(Outcome::NotStarted) {
                    **problem = stopped(problem.code, Outcome::StateKept);
                }
                let session = self.session.clone();
                tokio::spawn(async move { close(&session, handle_id).await });
            }
            return Poll::Ready(Some(Event::Response(reply)));
        }
    }

    fn next_request(&self, operation: Operation, body: String) -> Request {
        let deadline = self.template.deadline.map(|deadline| deadline.saturating_sub(self.began.elapsed()));
        Request { operation, body: body.into(), deadline, ..self.template.clone() }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.feed.leave();
        self.session.shared.queue().leave(self.call_id);
        let ends = self.template.cancel_on_disconnect
            || matches!(self.template.operation, Operation::Stream | Operation::Next);
        if !ends || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (session, feed, call_id) = (self.session.clone(), self.feed.clone(), self.call_id);
        let (grace, handle_id) = (self.grace(), self.handle_id.take());
        tokio::spawn(async move { end_stream(session, feed, call_id, grace, handle_id).await });
    }
}

/// Ends a stream that nobody reads: the worker closes it when its round is cancelled; one between two rounds is let go.
async fn end_stream(
    session: Session,
    feed: Arc<EventChannel>,
    call_id: u64,
    grace: Duration,
    handle_id: Option<String>,
) {
    let reply = async {
        loop {
            if let Event::Response(reply) = std::future::poll_fn(|cx| feed.poll_next(cx)).await {
                return reply;
            }
        }
    };
    tokio::pin!(reply);
    let reply = tokio::select! {
        biased;
        reply = &mut reply => reply,
        () = climb(&session.shared, call_id, ErrorCode::Cancelled, grace) => reply.await,
    };
    // A round that was not even started closes nothing.
    let left = round_of(&reply.result).and_then(|round| round.handle_id).or(handle_id);
    if let Some(handle_id) = left {
        close(&session, handle_id).await;
    }
}

/// Closes a stream between two rounds; one that is closed already is passed over.
async fn close(session: &Session, handle_id: String) -> Response {
    session.call(closing_of(&handle_id)).await
}

/// What closes it.
pub(crate) fn closing_of(handle_id: &str) -> Request {
    let body = serde_json::json!({ "handleIds": [handle_id] }).to_string();
    Request::new(Operation::Dispose, body)
}

/// Makes the answer of a round say that the stream was stopped. Gives the stream's handle; none where it is over.
pub(crate) fn cut_short(answer: &mut CallResult, why: ErrorCode) -> Option<String> {
    let handle_id = round_of(answer).filter(|round| !round.done)?.handle_id?;
    *answer = CallResult::Problem(Box::new(stopped(why, Outcome::StateKept)));
    Some(handle_id)
}

/// The streams of a session between two rounds: their clients have not read so far that more would be asked for.
#[derive(Debug, Default)]
pub(crate) struct PausedStreams(Vec<(RequestId, Weak<EventChannel>)>);

impl PausedStreams {
    /// A round has ended.
    pub(crate) fn add(&mut self, name: RequestId, feed: &Arc<EventChannel>) {
        self.0.retain(|(_, feed)| feed.strong_count() > 0);
        self.0.push((name, Arc::downgrade(feed)));
    }

    /// Ends those of this name: whoever follows is told that they were cancelled. Gives their handles.
    fn cancel(&mut self, name: &RequestId) -> Vec<String> {
        let named = self.0.iter().filter(|(called, _)| called == name).filter_map(|(_, feed)| feed.upgrade());
        let cancelled = named.map(|feed| feed.revise(|reply| cut_short(&mut reply.result, ErrorCode::Cancelled)));
        cancelled.flatten().flatten().collect()
    }
}

/// Cancels the streams of this name that are between two rounds; false where there are none. Whoever follows one is told,
/// and its generator is closed as soon as no other call runs.
pub(crate) fn cancel_resting(session: &Session, name: &RequestId) -> bool {
    let handles = session.shared.queue().resting().cancel(name);
    let any = !handles.is_empty();
    for handle_id in handles {
        let session = session.clone();
        tokio::spawn(async move { close(&session, handle_id).await });
    }
    any
}

fn round_of(answer: &CallResult) -> Option<RoundEnd> {
    match answer {
        CallResult::Object(body) => serde_json::from_slice(&body.contiguous()).ok(),
        _ => None,
    }
}

fn says_credit(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Credit {
        #[serde(default)]
        credit: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Credit>(body).is_ok_and(|said| said.credit.is_some())
}
