//! Subscribing to a call: its events, batch after batch where it is a stream, and what happens when the subscriber goes.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use beep_python_protocol::{Capabilities, ErrorCode, Operation, Outcome};
use bytes::Bytes;
use futures_util::Stream;
use serde::Deserialize;

use crate::session::call::{CallId, CallResult, Payload, Request, Response};
use crate::session::error::{cancelled_error, closing_error};
use crate::session::event::Event;
use crate::session::event_channel::{Batch, EventChannel, EventSender};
use crate::session::held_time::HeldTime;
use crate::session::interrupt::interrupt_then_kill;
use crate::session::session::Session;
use crate::session::state::reply_sink::ReplySink;
use crate::session::state::streams::{BatchEnd, dispose_request};
use crate::session::unfinished_lines::{Awaited, UnfinishedLines};
use crate::worker::chunks::Chunks;

impl Session {
    /// Carries out one operation as [`call`](Session::call) does, and returns its events as they come.
    ///
    /// This host continues a stream without a `credit` of its own: whenever its items have been read, it asks for the next
    /// ones, behind all other calls that wait by then.
    pub fn subscribe(&self, request: Request, capabilities: Capabilities) -> EventStream {
        let template = Request { payload: Payload::default(), ..request.clone() };
        let mut stream = EventStream {
            session: self.clone(),
            channel: Arc::new(EventChannel::new(capabilities)),
            capabilities,
            call_id: None,
            auto_continue: request.operation == Operation::Stream && !has_credit(&request.payload.body),
            template,
            began: Instant::now(),
            held: request.deadline.map(|_| Arc::default()),
            handle_id: None,
            count: 0,
            ended: false,
            cancelled: None,
            on_end: None,
            unfinished: UnfinishedLines::default(),
        };
        stream.start_batch(request);
        stream
    }
}

/// The events of one call, in order, as they come; [`Event::Response`] is the last one.
///
/// When it is dropped, client requests of the call get no reply any more. A stream ends with it; any other call goes on, unless
/// its request has `cancel_on_disconnect`.
#[derive(Debug)]
pub struct EventStream {
    session: Session,
    channel: Arc<EventChannel>,
    capabilities: Capabilities,
    /// The call of the present batch; `None` where it has its response already.
    call_id: Option<CallId>,
    /// Whether this host asks for the next batch by itself.
    auto_continue: bool,
    /// The request without its body.
    template: Request,
    began: Instant,
    /// How long a debugger held its batches.
    held: Option<Arc<HeldTime>>,
    /// The stream, once its first batch is over.
    handle_id: Option<String>,
    /// The items of the batches before.
    count: u64,
    ended: bool,
    cancelled: Option<Cancelled>,
    on_end: Option<OnEnd>,
    unfinished: UnfinishedLines,
}

/// Whether the subscriber has cancelled the call by going.
struct Cancelled(Box<dyn FnOnce() -> bool + Send>);

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancelled")
    }
}

/// What is told the response.
struct OnEnd(Box<dyn FnOnce(&Response) + Send>);

impl fmt::Debug for OnEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnEnd")
    }
}

impl EventStream {
    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Asks, when this is dropped before its end, whether the subscriber has cancelled the call by going.
    pub fn cancel_on_drop_if(&mut self, cancelled: impl FnOnce() -> bool + Send + 'static) {
        self.cancelled = Some(Cancelled(Box::new(cancelled)));
    }

    /// Tells this the response when it is reached. Where the events are dropped before, it is dropped with them.
    pub fn on_end(&mut self, told: impl FnOnce(&Response) + Send + 'static) {
        self.on_end = Some(OnEnd(Box::new(told)));
    }

    fn start_batch(&mut self, request: Request) {
        let before = self.call_id;
        let batch = before.map_or(Batch::First, |after| Batch::Continuation { after });
        let sender = EventSender {
            channel: self.channel.clone(),
            batch: self.auto_continue.then_some(batch),
            fallback: || Response::problem(closing_error(), 0),
        };
        self.call_id =
            self.session.enqueue_after(request, ReplySink::Stream(sender, self.capabilities), self.held.clone());
        if let (None, Some(before)) = (self.call_id, before) {
            self.detach(before); // no time was left for another batch
        }
    }

    fn detach(&self, call_id: CallId) {
        self.session.inner.update(|state, _, effects| state.detach_subscriber(call_id, Instant::now(), effects));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            let event = ready!(self.unfinished.poll_next(
                cx,
                &self.channel,
                &self.session.inner,
                Awaited::OfCall(self.call_id)
            ));
            let Event::Response(response) = event else { return Poll::Ready(Some(event)) };
            if let Some(response) = self.end_batch(*response) {
                if let Some(OnEnd(told)) = self.on_end.take() {
                    told(&response);
                }
                return Poll::Ready(Some(Event::Response(Box::new(response))));
            }
        }
    }

    /// A batch has its response: starts the next one, or returns the response of the whole.
    fn end_batch(&mut self, mut response: Response) -> Option<Response> {
        if self.auto_continue
            && let Some(end) = BatchEnd::of(&response.result)
        {
            self.count += end.count;
            if let Some(handle_id) = end.handle_id.filter(|_| !end.done) {
                self.channel = Arc::new(EventChannel::new(self.capabilities));
                let body = serde_json::json!({ "handleId": handle_id }).to_string();
                self.handle_id = Some(handle_id);
                self.start_batch(self.next_request(Operation::Next, body));
                return None;
            }
            let returned = end.returned.map(|returned| format!(r#","returned":{returned}"#)).unwrap_or_default();
            let end = format!(r#"{{"done":true,"count":{}{returned}}}"#, self.count);
            response.result = CallResult::Object(Chunks::from(Bytes::from(end)));
        }
        self.ended = true;
        if let (CallResult::Problem(problem), Some(handle_id)) = (&mut response.result, self.handle_id.take()) {
            // A batch that was not started closes nothing, but the stream was begun.
            if problem.outcome == Some(Outcome::NotStarted) {
                **problem = cancelled_error(problem.code, Outcome::StateKept);
            }
            let session = self.session.clone();
            tokio::spawn(async move { dispose(&session, handle_id).await });
        }
        Some(response)
    }

    fn next_request(&self, operation: Operation, body: String) -> Request {
        let spent = self.began.elapsed().saturating_sub(self.held.as_ref().map_or(Duration::ZERO, |held| held.total()));
        let deadline = self.template.deadline.map(|deadline| deadline.saturating_sub(spent));
        Request { operation, payload: Bytes::from(body).into(), deadline, ..self.template.clone() }
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll(cx)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.channel.detach();
        if let Some(call_id) = self.call_id {
            self.detach(call_id);
        }
        let is_stream = matches!(self.template.operation, Operation::Stream | Operation::Next);
        let cancelled = self.cancelled.take().is_some_and(|Cancelled(ask)| ask());
        if !(self.template.cancel_on_disconnect || is_stream || cancelled)
            || tokio::runtime::Handle::try_current().is_err()
        {
            return;
        }
        let (session, channel, call_id) = (self.session.clone(), self.channel.clone(), self.call_id);
        let (grace, handle_id) = (self.session.grace_of(&self.template), self.handle_id.take());
        tokio::spawn(async move { end_stream(session, channel, call_id, grace, handle_id).await });
    }
}

/// Ends a call without a subscriber. The worker closes a stream whose batch is cancelled; one that is paused is disposed of.
async fn end_stream(
    session: Session,
    channel: Arc<EventChannel>,
    call_id: Option<CallId>,
    grace: Duration,
    handle_id: Option<String>,
) {
    let response = async {
        loop {
            if let Event::Response(response) = poll_fn(|cx| channel.poll_next(cx)).await {
                return response;
            }
        }
    };
    tokio::pin!(response);
    let stopping = async {
        if let Some(call_id) = call_id {
            interrupt_then_kill(&session.inner, call_id, ErrorCode::Cancelled, grace).await;
        }
    };
    let response = tokio::select! {
        biased;
        response = &mut response => response,
        () = stopping => response.await,
    };
    // A batch that was not even started closes nothing.
    let left = BatchEnd::of(&response.result).and_then(|end| end.handle_id).or(handle_id);
    if let Some(handle_id) = left {
        dispose(&session, handle_id).await;
    }
}

/// Disposes of a stream between two batches, which closes its generator. One that is closed already is passed over.
pub(crate) async fn dispose(session: &Session, handle_id: String) -> Response {
    session.call(dispose_request(&handle_id)).await
}

fn has_credit(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Credit {
        #[serde(default)]
        credit: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Credit>(body).is_ok_and(|request| request.credit.is_some())
}
