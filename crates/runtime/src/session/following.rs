//! Following a call: its events, round after round where it is a stream, and what is done when nobody follows any more.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Offers, Operation};
use bytes::Bytes;
use serde::Deserialize;

use super::events::{Event, Events, Feed, Feeder};
use super::ladder::climb;
use super::session::closing;
use super::under_way::ReplyTo;
use super::{Answer, Reply, Request, Session};
use crate::worker::Body;

impl Session {
    /// Carries out one operation as [`call`](Session::call) does, and tells what happens on the way.
    ///
    /// A stream without a `credit` of its own is carried on by this host: whenever its items have been read, the next
    /// are asked for, behind whatever other calls wait by then.
    pub fn follow(&self, request: Request, offers: Offers) -> Events {
        let goes_on = request.operation == Operation::Stream && !says_credit(&request.body);
        let template = Request { body: Bytes::new(), ..request.clone() };
        let mut following = Following {
            session: self.clone(),
            feed: Arc::default(),
            offers,
            ticket: 0,
            goes_on,
            template,
            began: Instant::now(),
            handle_id: None,
            count: 0,
            ended: false,
        };
        following.ask(request);
        Events::new(following)
    }
}

#[derive(Debug)]
pub(super) struct Following {
    session: Session,
    feed: Arc<Feed>,
    offers: Offers,
    /// That of the round under way.
    ticket: u64,
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
struct Round {
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
        let feeder = Feeder { feed: self.feed.clone(), otherwise: || Reply::problem(closing(), 0) };
        let grace = self.grace();
        match self.session.enqueue(request, grace, ReplyTo::Follower(feeder, self.offers)) {
            Ok(ticket) => self.ticket = ticket,
            Err(problem) => {
                let epoch = self.session.shared.queue().epoch;
                let feed = Arc::<Feed>::default();
                feed.end(Reply::problem(problem, epoch));
                self.feed = feed;
            }
        }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            let event = ready!(self.feed.poll_next(cx));
            let Event::Answered(mut reply) = event else { return Poll::Ready(Some(event)) };
            if self.goes_on
                && let Some(round) = round_of(&reply)
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
                reply.answer = Answer::Object(Body::from(Bytes::from(told)));
            }
            self.ended = true;
            return Poll::Ready(Some(Event::Answered(reply)));
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
        self.session.shared.queue().leave(self.ticket);
        let ends =
            self.template.cancel_if_gone || matches!(self.template.operation, Operation::Stream | Operation::Next);
        if !ends || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (session, feed, ticket) = (self.session.clone(), self.feed.clone(), self.ticket);
        let (grace, handle_id) = (self.grace(), self.handle_id.take());
        tokio::spawn(async move { end_stream(session, feed, ticket, grace, handle_id).await });
    }
}

/// Ends a stream that nobody reads: the worker closes it when its round is cancelled; one between two rounds is let go.
async fn end_stream(session: Session, feed: Arc<Feed>, ticket: u64, grace: Duration, handle_id: Option<String>) {
    let reply = async {
        loop {
            if let Event::Answered(reply) = std::future::poll_fn(|cx| feed.poll_next(cx)).await {
                return reply;
            }
        }
    };
    tokio::pin!(reply);
    let reply = tokio::select! {
        biased;
        reply = &mut reply => reply,
        () = climb(&session.shared, ticket, ErrorCode::Cancelled, grace) => reply.await,
    };
    // A round that was not even started closes nothing. A stream that is closed already is passed over.
    let left = round_of(&reply).and_then(|round| round.handle_id).or(handle_id);
    if let Some(handle_id) = left {
        let body = serde_json::json!({ "handleIds": [handle_id] }).to_string();
        session.call(Request::new(Operation::Dispose, body)).await;
    }
}

fn round_of(reply: &Reply) -> Option<Round> {
    match &reply.answer {
        Answer::Object(body) => serde_json::from_slice(&body.contiguous()).ok(),
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
