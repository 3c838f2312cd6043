//! A session's state beside plain data that stands for the shared page, the worker's inbox and its process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{Capabilities, ErrorCode, Operation, Problem, WorkerDeath};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::session::call::{CallId, CallResult, Request, RequestId, Response};
use crate::session::error::closing_error;
use crate::session::event_channel::{Batch, EventChannel, EventSender};
use crate::session::limits::SessionLimits;
use crate::session::state::calls::{NewCall, StopResult};
use crate::session::state::effect::{Effect, Effects};
use crate::session::state::lifecycle::Lifecycle;
use crate::session::state::reply_sink::ReplySink;
use crate::session::state::state::SessionState;
use crate::worker::chunks::Chunks;
use crate::worker::process_group::ProcessMark;
use crate::worker::shared_page::SLOTS;
use crate::worker::wire::{HostMessage, WireId, WireRequest, WorkerAnswer};

/// A request that the worker has, and its slot on the page.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) id: WireId,
    pub(super) page_slot: usize,
    pub(super) body: Bytes,
    pub(super) pipelined: bool,
    pub(super) host_call: Option<u64>,
}

/// What the transitions of a state have asked for, carried out on plain data.
pub(super) struct Fixture {
    pub(super) state: SessionState,
    pub(super) now: Instant,
    pub(super) cancelled: [bool; 2 * SLOTS],
    pub(super) started: [bool; 2 * SLOTS],
    pub(super) running: WireId,
    pub(super) inbox: VecDeque<Received>,
    pub(super) replies: usize,
    pub(super) interrupts: usize,
    pub(super) killed: bool,
    pub(super) starts: usize,
    pub(super) drained: usize,
    /// Of each answered call, how long it had waited.
    pub(super) waited: Vec<Duration>,
    pub(super) published: Vec<Lifecycle>,
}

/// The end at which a test receives a response.
pub(super) type Receiver = oneshot::Receiver<Response>;

impl Fixture {
    /// A session whose worker has not started yet.
    pub(super) fn new() -> Fixture {
        Fixture::with_limits(SessionLimits::default())
    }

    pub(super) fn with_limits(limits: SessionLimits) -> Fixture {
        let now = Instant::now();
        Fixture {
            state: SessionState::new(&limits, now),
            now,
            cancelled: [false; 2 * SLOTS],
            started: [false; 2 * SLOTS],
            running: WireId(0),
            inbox: VecDeque::new(),
            replies: 0,
            interrupts: 0,
            killed: false,
            starts: 0,
            drained: 0,
            waited: Vec::new(),
            published: Vec::new(),
        }
    }

    /// A session with a worker that takes calls.
    pub(super) fn running() -> Fixture {
        let mut fixture = Fixture::new();
        fixture.link_up();
        fixture
    }

    /// Makes a transition and carries out its effects.
    pub(super) fn apply<T>(&mut self, transition: impl FnOnce(&mut SessionState, &mut Effects) -> T) -> T {
        let mut effects = Effects::new();
        let result = transition(&mut self.state, &mut effects);
        effects.into_iter().for_each(|effect| self.carry_out(effect));
        result
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send(HostMessage::Request { request, pipelined, .. }) => self.receive(request, pipelined, None),
            Effect::Send(HostMessage::Nested { host_call, request }) => self.receive(request, false, Some(host_call)),
            Effect::Waited(time) => self.waited.push(time),
            Effect::Send(_) | Effect::CallsEnded(_) | Effect::PollUsage => {}
            Effect::Reply(sink, response) => {
                self.replies += usize::from(!matches!(sink, ReplySink::Discard));
                sink.send(response);
            }
            Effect::ReportCancel(waiter, outcome) => drop(waiter.send(outcome)),
            Effect::Interrupt { .. } => self.interrupts += 1,
            Effect::EndRequests(requests) => drop(requests),
            Effect::Kill => self.killed = true,
            Effect::StartWorker => self.starts += 1,
            Effect::Drained => self.drained += 1,
            Effect::Publish(lifecycle) => self.published.push(lifecycle),
        }
    }

    fn receive(&mut self, request: WireRequest, pipelined: bool, host_call: Option<u64>) {
        let WireRequest { id, body, .. } = request;
        let page_slot = id.slot() + if host_call.is_some() { SLOTS } else { 0 };
        self.cancelled[page_slot] = false;
        self.started[page_slot] = false;
        self.inbox.push_back(Received { id, page_slot, body, pipelined, host_call });
    }

    pub(super) fn link_up(&mut self) -> bool {
        let now = self.now;
        self.killed = false;
        self.apply(|state, effects| state.link_up(7, now, effects))
    }

    /// The worker dies; what it had received is gone with it.
    pub(super) fn link_down(&mut self) {
        let (now, started) = (self.now, self.started);
        self.inbox.clear();
        self.running = WireId(0);
        self.apply(|state, effects| state.link_down("a1", &death(), |slot| started[slot], now, effects));
    }

    /// A call arrives; its id unless it was answered at once, and where its response comes.
    pub(super) fn call(&mut self, request: Request) -> (Option<CallId>, Receiver) {
        let (sender, receiver) = oneshot::channel();
        (self.enqueue(request, ReplySink::Oneshot(sender)), receiver)
    }

    /// A batch of a stream that the host continues arrives.
    pub(super) fn batch(&mut self, request: Request, batch: Batch) -> (Option<CallId>, Arc<EventChannel>) {
        let channel = Arc::<EventChannel>::default();
        let fallback = || Response::problem(closing_error(), 0);
        let sender = EventSender { channel: channel.clone(), batch: Some(batch), fallback };
        (self.enqueue(request, ReplySink::Stream(sender, Capabilities::NONE)), channel)
    }

    pub(super) fn cancel_paused(&mut self, id: &str) -> Vec<String> {
        let now = self.now;
        self.apply(|state, effects| state.cancel_paused(Some(&RequestId::new(id.to_owned())), now, effects))
    }

    /// The subscriber of a call goes.
    pub(super) fn detach(&mut self, call_id: CallId) {
        let now = self.now;
        self.apply(|state, effects| state.detach_subscriber(call_id, now, effects));
    }

    /// A call arrives whose client answers callbacks.
    pub(super) fn call_with_callbacks(&mut self, request: Request) -> (Option<CallId>, Arc<EventChannel>) {
        let channel = Arc::<EventChannel>::default();
        let fallback = || Response::problem(closing_error(), 0);
        let sender = EventSender { channel: channel.clone(), batch: None, fallback };
        let capabilities = Capabilities { callbacks: true, ..Capabilities::NONE };
        (self.enqueue(request, ReplySink::Stream(sender, capabilities)), channel)
    }

    fn enqueue(&mut self, request: Request, reply: ReplySink) -> Option<CallId> {
        let now = self.now;
        let call = NewCall { request, grace: Duration::from_secs(5), reply };
        self.apply(|state, effects| state.enqueue(call, |_| None, now, effects))
    }

    /// A nested call arrives; its id unless it was answered at once.
    pub(super) fn nest(&mut self, client_request: &str, request: Request) -> (Option<CallId>, Receiver) {
        let (sender, receiver) = oneshot::channel();
        let call = NewCall { request, grace: Duration::from_secs(5), reply: ReplySink::Oneshot(sender) };
        let (now, mut taken) = (self.now, None);
        self.apply(|state, effects| {
            let note = |call_id| {
                taken = Some(call_id);
                None
            };
            state.nest(client_request, call, note, (now, ProcessMark::now()), effects);
        });
        (taken, receiver)
    }

    /// The worker takes its next request: it marks the start, then looks for a cancel. Returns the request that runs now.
    pub(super) fn start_next(&mut self) -> Option<Received> {
        let request = self.inbox.pop_front()?;
        self.started[request.page_slot] = true;
        if self.cancelled[request.page_slot] {
            self.answer(&request, WorkerAnswer::Cancelled { told: Bytes::new() });
            return None;
        }
        if request.host_call.is_none() {
            self.running = request.id;
        }
        Some(request)
    }

    /// The worker answers a request.
    pub(super) fn answer(&mut self, request: &Received, answer: WorkerAnswer) {
        let (now, started, id) = (self.now, self.started, request.id);
        match request.host_call {
            None => self.apply(|state, effects| state.complete(id, answer, |slot| started[slot], now, effects)),
            Some(_) => self.apply(|state, effects| state.complete_nested(id, answer, effects)),
        }
    }

    pub(super) fn stop(&mut self, call_id: CallId, interrupt: bool) -> StopResult {
        self.stop_with(call_id, ErrorCode::Cancelled, interrupt)
    }

    pub(super) fn stop_for(&mut self, call_id: CallId, why: ErrorCode) -> StopResult {
        self.stop_with(call_id, why, true)
    }

    fn stop_with(&mut self, call_id: CallId, why: ErrorCode, interrupt: bool) -> StopResult {
        let (started, mut marked) = (self.started, None);
        let result = self.apply(|state, effects| {
            let mark = |slot: usize| {
                marked = Some(slot);
                started[slot]
            };
            state.stop(call_id, why, interrupt, mark, effects)
        });
        if let Some(slot) = marked {
            self.cancelled[slot] = true;
        }
        result
    }

    pub(super) fn press_ctrl_c(&mut self, call_id: CallId) -> CancelOutcome {
        let (started, mut marked) = (self.started, None);
        let outcome = self.apply(|state, effects| {
            let mark = |slot: usize| {
                marked = Some(slot);
                started[slot]
            };
            state.press_ctrl_c(call_id, |slot| started[slot], mark, effects)
        });
        if let Some(slot) = marked {
            self.cancelled[slot] = true;
        }
        outcome
    }
}

/// A request to evaluate `code`.
pub(super) fn eval(code: &str) -> Request {
    Request::new(Operation::Evaluate, code.to_owned())
}

/// The same, which can be cancelled by `id`.
pub(super) fn named(code: &str, id: &str) -> Request {
    Request { request_id: Some(RequestId::new(id.to_owned())), ..eval(code) }
}

/// An answer that is this text.
pub(super) fn value(text: impl Into<Bytes>) -> WorkerAnswer {
    WorkerAnswer::Value(Chunks::from(text.into()))
}

/// The answer at the end of a batch.
pub(super) fn batch_end(handle_id: &str, done: bool) -> WorkerAnswer {
    let text = format!(r#"{{"handleId":"{handle_id}","done":{done},"count":1}}"#);
    WorkerAnswer::Object(Chunks::from(Bytes::from(text)))
}

pub(super) fn death() -> WorkerDeath {
    WorkerDeath {
        pid: 7,
        exit_code: None,
        signal: Some(9),
        signal_name: None,
        cause: None,
        peak_memory_bytes: None,
        fault: None,
        stderr_tail: String::new(),
    }
}

/// The problem that a call was answered with.
pub(super) fn problem(receiver: &mut Receiver) -> Problem {
    match receiver.try_recv().expect("a response").result {
        CallResult::Problem(problem) => *problem,
        other => panic!("no problem: {other:?}"),
    }
}

/// The text that a call was answered with, and its epoch.
pub(super) fn text(receiver: &mut Receiver) -> (String, u64) {
    let response = receiver.try_recv().expect("a response");
    match response.result {
        CallResult::Value(body) => (String::from_utf8_lossy(&body.contiguous()).into_owned(), response.epoch),
        other => panic!("no value: {other:?}"),
    }
}

/// What became of a cancelled call, as far as it is known.
pub(super) fn outcome(receiver: &mut oneshot::Receiver<CancelOutcome>) -> Option<CancelOutcome> {
    receiver.try_recv().ok()
}
