//! Random histories: each call is answered exactly once, by the worker that ran it, and no cancel strikes another call.

use beep_python_protocol::{ErrorCode, Problem};
use bytes::Bytes;
use proptest::prelude::*;

use super::fixture::{Fixture, Received, Receiver, batch_end, eval, named, value};
use crate::session::call::{CallId, CallResult, Response};
use crate::session::event::{ClientRequestKind, Event};
use crate::session::event_channel::{Batch, EventChannel};
use crate::session::state::calls::StopResult;
use crate::session::state::client_requests::HostCallId;
use crate::session::state::lifecycle::Lifecycle;
use crate::worker::wire::WorkerAnswer;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// One thing that happens to a session.
#[derive(Clone, Copy, Debug)]
enum Step {
    Arrive,
    ArriveStream,
    /// The subscriber of a stream whose batch has ended asks for more.
    Continue(usize),
    /// The subscriber of a stream goes.
    Detach(usize),
    ArriveWithCallbacks,
    /// The running call asks its client for the result of a callback.
    Ask,
    Nest,
    /// The worker takes its next request, nested ones first.
    Start,
    Answer,
    AnswerNested,
    Stop(usize),
    CancelPaused,
    Die,
    LinkUp,
    Fail,
    Restart,
    Close,
    Abandon,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Arrive),
        2 => Just(Step::ArriveStream),
        2 => any::<usize>().prop_map(Step::Continue),
        1 => any::<usize>().prop_map(Step::Detach),
        3 => Just(Step::ArriveWithCallbacks),
        3 => Just(Step::Ask),
        3 => Just(Step::Nest),
        9 => Just(Step::Start),
        7 => Just(Step::Answer),
        3 => Just(Step::AnswerNested),
        5 => any::<usize>().prop_map(Step::Stop),
        1 => Just(Step::CancelPaused),
        2 => Just(Step::Die),
        4 => Just(Step::LinkUp),
        1 => Just(Step::Fail),
        1 => Just(Step::Restart),
        1 => Just(Step::Close),
        1 => Just(Step::Abandon),
    ];
    proptest::collection::vec(step, 0..120)
}

/// Where the response to a call comes.
enum End {
    Oneshot(Receiver),
    Channel(Arc<EventChannel>),
}

struct Call {
    code: String,
    call_id: Option<CallId>,
    end: End,
    /// Whether the test has stopped it.
    stopped: bool,
    is_stream: bool,
    /// The call around it, of a nested one: it ends with that.
    around: Option<String>,
}

struct History {
    session: Fixture,
    calls: Vec<Call>,
    /// The requests that the worker runs: one on its main thread, and the one nested in it.
    running: Option<Received>,
    nested: Option<Received>,
    client_request: Option<String>,
    paused_cancelled: bool,
    /// The streams whose batch has ended, by its call.
    paused: Vec<CallId>,
}

impl History {
    fn new() -> History {
        History {
            session: Fixture::new(),
            calls: Vec::new(),
            running: None,
            nested: None,
            client_request: None,
            paused_cancelled: false,
            paused: Vec::new(),
        }
    }

    fn arrived(&mut self, call_id: Option<CallId>, end: End, is_stream: bool) {
        let code = self.calls.len().to_string();
        self.calls.push(Call { code, call_id, end, stopped: false, is_stream, around: None });
    }

    fn step(&mut self, step: Step) {
        let code = self.calls.len().to_string();
        match step {
            Step::Arrive => {
                let (call_id, receiver) = self.session.call(eval(&code));
                self.arrived(call_id, End::Oneshot(receiver), false);
            }
            Step::ArriveStream => {
                let (call_id, channel) = self.session.batch(named(&code, "stream"), Batch::First);
                self.arrived(call_id, End::Channel(channel), true);
            }
            Step::Continue(at) => {
                if let Some(after) = self.paused(at) {
                    let (call_id, channel) = self.session.batch(named(&code, "stream"), Batch::Continuation { after });
                    self.arrived(call_id, End::Channel(channel), true);
                }
            }
            Step::Detach(at) => {
                if let Some(call_id) = self.paused(at) {
                    self.session.detach(call_id);
                }
            }
            Step::ArriveWithCallbacks => {
                let (call_id, channel) = self.session.call_with_callbacks(eval(&code));
                self.arrived(call_id, End::Channel(channel), false);
            }
            Step::Ask => self.ask(),
            Step::Nest => {
                let client_request = self.client_request.clone().unwrap_or_else(|| "q0".to_owned());
                let (call_id, receiver) = self.session.nest(&client_request, eval(&code));
                self.arrived(call_id, End::Oneshot(receiver), false);
                let around = self.running.as_ref().map(|request| String::from_utf8_lossy(&request.body).into_owned());
                self.calls.iter_mut().last().expect("the call").around = around;
            }
            Step::Start => self.start(),
            Step::Answer if self.nested.is_none() => self.answer_running(),
            Step::Answer => {}
            Step::AnswerNested => {
                if let Some(request) = self.nested.take() {
                    self.answer(&request);
                }
            }
            Step::Stop(at) => self.stop(at),
            Step::CancelPaused => {
                self.paused_cancelled |= !self.session.cancel_paused("stream").is_empty();
            }
            Step::Die if self.has_link() => self.die(),
            Step::LinkUp
                if matches!(self.session.state.lifecycle(), Lifecycle::Starting | Lifecycle::Closing(None)) =>
            {
                self.session.link_up();
            }
            Step::Fail if matches!(self.session.state.lifecycle(), Lifecycle::Starting) => {
                let problem = Problem::new(ErrorCode::WorkerUnavailable, "no Python");
                self.session.apply(|state, effects| state.fail(problem, effects));
            }
            Step::Restart => drop(self.session.apply(|state, effects| state.restart(effects))),
            Step::Close => self.session.apply(|state, effects| state.close(effects)),
            Step::Abandon if self.session.state.lifecycle().is_closing() => {
                self.session.apply(|state, effects| state.abandon(effects));
            }
            Step::Die | Step::LinkUp | Step::Fail | Step::Abandon => {}
        }
        if self.session.killed && self.has_link() {
            self.die();
        }
    }

    fn has_link(&self) -> bool {
        self.session.state.lifecycle().link().is_some()
    }

    fn die(&mut self) {
        self.session.killed = false;
        (self.running, self.nested, self.client_request) = (None, None, None);
        self.session.link_down();
    }

    fn ask(&mut self) {
        let Some(running) = &self.running else { return };
        let id = running.id;
        let asked = self.session.apply(|state, _| {
            state.request_from_client(
                id,
                ClientRequestKind::Callback,
                Bytes::from_static(b"{}"),
                HostCallId { id: 1, takes_nested: true },
            )
        });
        if asked.is_ok() {
            let code = String::from_utf8_lossy(&running.body).into_owned();
            let call = self.calls.iter().find(|call| call.code == code).expect("the call");
            let End::Channel(channel) = &call.end else { panic!("only a subscriber is asked") };
            match channel.poll_next(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Event::ClientRequest(request)) => self.client_request = Some(request.id),
                other => panic!("no client request: {other:?}"),
            }
        }
    }

    /// The worker takes a nested request for the thread that waits, else the next one in order.
    fn start(&mut self) {
        let at = self.session.inbox.iter().position(|request| request.host_call.is_some());
        match (at, &self.running, &self.nested) {
            (Some(at), Some(_), None) => {
                self.session.inbox.swap(0, at);
                self.nested = self.session.start_next();
            }
            (None, None, _) => self.running = self.session.start_next(),
            _ => {}
        }
    }

    fn answer_running(&mut self) {
        let Some(request) = self.running.take() else { return };
        self.unwind();
        self.answer(&request);
    }

    /// The running call ends, and with it what is nested in it: the thread does not wait any more.
    fn unwind(&mut self) {
        self.session.inbox.retain(|request| request.host_call.is_none());
        (self.nested, self.client_request) = (None, None);
    }

    /// The answer says which call it is of, and by which worker.
    fn answer(&mut self, request: &Received) {
        let code = String::from_utf8_lossy(&request.body).into_owned();
        let is_stream = self.calls.iter().any(|call| call.code == code && call.is_stream);
        let epoch = self.session.state.stats().epoch;
        if is_stream {
            self.paused.extend(self.calls.iter().find(|call| call.code == code).and_then(|call| call.call_id));
        }
        let answer = if is_stream { batch_end("h", false) } else { value(format!("{code} {epoch}")) };
        self.session.answer(request, answer);
    }

    /// The batch of a stream that has ended, and that no other batch followed. It is taken.
    fn paused(&mut self, at: usize) -> Option<CallId> {
        let count = self.paused.len();
        (count > 0).then(|| self.paused.swap_remove(at % count))
    }

    fn stop(&mut self, at: usize) {
        let count = self.calls.len();
        let Some(call) = self.calls.get_mut(at.checked_rem(count).unwrap_or(0)) else { return };
        let Some(call_id) = call.call_id else { return };
        call.stopped = true;
        let interrupts = self.session.interrupts;
        let result = self.session.stop(call_id, true);
        assert_eq!(self.session.interrupts > interrupts, result == StopResult::Running);
        if result == StopResult::Running {
            self.interrupt();
        }
    }

    /// The signal handler of the worker raises in the request that runs, if that is marked.
    fn interrupt(&mut self) {
        let cancelled = self.session.cancelled;
        let request = match self.nested.take_if(|request| cancelled[request.page_slot]) {
            Some(nested) => nested,
            None => {
                let running = self.running.take_if(|request| cancelled[request.page_slot]);
                self.unwind();
                running.expect("an interrupt was sent, so a marked request runs")
            }
        };
        self.session.answer(&request, WorkerAnswer::Cancelled { told: Bytes::from_static(b"{}") });
    }

    /// The session ends as its supervisor ends it.
    fn finish(&mut self) {
        self.session.apply(|state, effects| state.close(effects));
        self.session.apply(|state, effects| state.abandon(effects));
        if self.has_link() {
            self.die();
        }
        self.session.apply(|state, effects| state.closed(effects));
    }

    fn check(&mut self) {
        assert_eq!(self.session.state.calls_in_progress(), 0);
        assert_eq!(self.session.replies, self.calls.len(), "each call has exactly one response");
        let stopped: Vec<_> = self.calls.iter().filter(|call| call.stopped).map(|call| call.code.clone()).collect();
        for call in &mut self.calls {
            let response = match &mut call.end {
                End::Oneshot(receiver) => receiver.try_recv().expect("a response"),
                End::Channel(channel) => response(channel),
            };
            match response.result {
                CallResult::Value(body) => {
                    let text = String::from_utf8_lossy(&body.contiguous()).into_owned();
                    assert_eq!(text, format!("{} {}", call.code, response.epoch), "its own answer, of its own worker");
                }
                CallResult::Problem(problem) if problem.code == ErrorCode::Cancelled => {
                    let cancelled = call.stopped
                        || (call.is_stream && self.paused_cancelled)
                        || call.around.as_ref().is_some_and(|around| stopped.contains(around));
                    assert!(cancelled, "call {} was not stopped: {problem:?}", call.code);
                }
                CallResult::Problem(_) => {}
                CallResult::Object(_) => assert!(call.is_stream),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn response(channel: &EventChannel) -> Response {
    loop {
        match channel.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Event::Response(response)) => return *response,
            Poll::Ready(_) => {}
            Poll::Pending => panic!("no response"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn each_call_is_answered_exactly_once_and_no_cancel_strikes_another(steps in steps()) {
        let mut history = History::new();
        steps.into_iter().for_each(|step| history.step(step));
        history.finish();
        history.check();
    }
}
