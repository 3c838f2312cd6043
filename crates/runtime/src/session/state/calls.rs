//! The transitions of a session's calls.

use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Outcome, Problem};
use tokio::sync::oneshot;

use crate::session::call::{CallResult, Request, RequestId, Response};
use crate::session::error::{KillReason, cancelled_error, closing_error};
use crate::session::event_channel::EventSender;
use crate::session::limits::needs_polling;
use crate::session::state::call_record::{CallId, CancelTarget, InFlightCall, QueuedCall, Watchdog, report_cancel};
use crate::session::state::effect::{Effect, Effects};
use crate::session::state::reply_sink::ReplySink;
use crate::session::state::state::SessionState;
use crate::session::state::streams::{dispose_request, mark_cancelled};
use crate::worker::shared_page::SLOTS;
use crate::worker::wire::{WireId, WorkerAnswer};

/// A call that arrives.
#[derive(Debug)]
pub(crate) struct NewCall {
    pub(crate) request: Request,
    /// How long it may take to stop.
    pub(crate) grace: Duration,
    pub(crate) reply: ReplySink,
}

/// Where a call stands when it is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopResult {
    /// It has its response: there is nothing to stop.
    Answered,
    /// It will not start, and its caller knows; but the worker has not passed it by yet.
    NotStarted,
    /// It runs, and stops when its worker is interrupted.
    Running,
}

impl SessionState {
    /// A call arrives. It gets a response in any case; returns its id unless it has it already. `watchdog` is made for a
    /// call that is taken.
    pub(crate) fn enqueue(
        &mut self,
        call: NewCall,
        watchdog: impl FnOnce(CallId) -> Option<Watchdog>,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<CallId> {
        if let Err(problem) = self.admit() {
            effects.push(Effect::Reply(call.reply, Response::problem(problem, self.stats.epoch)));
            return None;
        }
        if needs_polling(&call.request) {
            effects.push(Effect::PollUsage);
        }
        let call_id = self.calls.next_call_id();
        self.calls.push(queued(call, call_id, watchdog(call_id)));
        self.send_ahead(now, effects);
        self.start_if_failed(effects);
        Some(call_id)
    }

    fn admit(&self) -> Result<(), Problem> {
        if self.lifecycle.is_closing() {
            return Err(closing_error());
        }
        let max = self.max_waiting;
        if self.calls.len() >= max && self.calls.unanswered() >= max {
            let detail = format!("{max} calls wait for this session already; try again when some are done");
            return Err(Problem::new(ErrorCode::QueueFull, detail));
        }
        Ok(())
    }

    /// A call arrives that is nested in a client request: the thread that waits for the reply carries it out.
    pub(crate) fn nest(
        &mut self,
        client_request: &str,
        call: NewCall,
        watchdog: impl FnOnce(CallId) -> Option<Watchdog>,
        now: Instant,
        effects: &mut Effects,
    ) {
        let route = match self.client_requests.route(client_request) {
            Ok(route) => route,
            Err(problem) => {
                return effects.push(Effect::Reply(call.reply, Response::problem(problem, self.stats.epoch)));
            }
        };
        let call_id = self.calls.next_call_id();
        match self.nested.send(queued(call, call_id, watchdog(call_id)), route, self.limits, now) {
            Ok(message) => effects.push(Effect::Send(message)),
            Err(call) => {
                let detail = format!("{SLOTS} calls within callbacks of this session have no answer yet");
                call.reject(Problem::new(ErrorCode::QueueFull, detail), self.stats.epoch, effects);
            }
        }
    }

    pub(super) fn send_ahead(&mut self, now: Instant, effects: &mut Effects) {
        if self.lifecycle.link().is_none() {
            return;
        }
        while let Some(request) = self.calls.send_next(self.limits, now) {
            effects.push(Effect::Send(request));
        }
    }

    /// The worker has answered a call. `started` says whether the nested call in a slot of the page has started.
    pub(crate) fn complete(
        &mut self,
        id: WireId,
        answer: WorkerAnswer,
        started: impl Fn(usize) -> bool,
        now: Instant,
        effects: &mut Effects,
    ) {
        let Some(call) = self.calls.take(id) else { return }; // its caller has a response already
        effects.push(Effect::CallsEnded(1));
        self.client_requests.end_of(id);
        self.nested.end_within(id, started, self.stats.epoch, effects);
        self.send_ahead(now, effects);
        self.stats.last_call_ended_at = Some(now);
        self.stats.idle_since = now;
        let mut result = call.result(answer);
        self.pause_stream(&call, &mut result, now, effects);
        call.finish(result, self.stats.epoch, effects);
        self.note_drained(effects);
    }

    /// A batch of a stream that this host continues has ended: the stream pauses, or ends where it was to be stopped.
    fn pause_stream(&mut self, call: &InFlightCall, result: &mut CallResult, now: Instant, effects: &mut Effects) {
        let Some(ReplySink::Stream(EventSender { channel, batch: Some(_), .. }, _)) = &call.reply else { return };
        match (call.stopping, &call.request_id) {
            // The stop came as the batch ended.
            (Some(why), _) => {
                if let Some(handle_id) = mark_cancelled(result, why) {
                    let request = dispose_request(&handle_id);
                    let call_id = self.calls.next_call_id();
                    let dispose = NewCall { request, grace: call.grace, reply: ReplySink::Discard };
                    self.calls.push(queued(dispose, call_id, None));
                    self.send_ahead(now, effects);
                }
            }
            (None, Some(request_id)) => self.paused.add(request_id.clone(), channel),
            (None, None) => {}
        }
    }

    /// The worker has answered a nested call.
    pub(crate) fn complete_nested(&mut self, id: WireId, answer: WorkerAnswer, effects: &mut Effects) {
        let Some(call) = self.nested.take(id) else { return };
        let result = call.result(answer);
        call.finish(result, self.stats.epoch, effects);
    }

    /// Keeps a call from starting, or marks it as to be stopped; with `interrupt` one that runs is interrupted.
    ///
    /// `mark_cancelled` marks a slot on the shared page as cancelled, and then says whether its call has started.
    pub(crate) fn stop(
        &mut self,
        call_id: CallId,
        why: ErrorCode,
        interrupt: bool,
        mark_cancelled: impl FnOnce(usize) -> bool,
        effects: &mut Effects,
    ) -> StopResult {
        if let Some(call) = self.calls.take_queued(call_id) {
            let mut problem = cancelled_error(why, Outcome::NotStarted);
            if let Some(pause) = &self.pause {
                problem.detail.push_str("; it waited for a worker: ");
                problem.detail.push_str(pause);
            }
            call.reject(problem, self.stats.epoch, effects);
            self.note_drained(effects);
            return StopResult::Answered;
        }
        let mut all = self.calls.in_flight_mut().chain(self.nested.iter_mut());
        let Some((slot, call)) = all.find(|(_, call)| call.call_id == call_id) else { return StopResult::Answered };
        call.stopping.get_or_insert(why);
        if mark_cancelled(slot) {
            if interrupt {
                effects.push(Effect::Interrupt);
            }
            return StopResult::Running;
        }
        // It cannot start any more. The slot stays taken until the worker has passed it by.
        if let Some(reply) = call.reply.take() {
            report_cancel(&mut call.cancel_waiters, reply.outcome_if_not_started(), effects);
            let problem = cancelled_error(why, Outcome::NotStarted);
            effects.push(Effect::Reply(reply, Response::problem(problem, self.stats.epoch)));
        }
        StopResult::NotStarted
    }

    /// Kills the worker of a call that could not be interrupted.
    pub(crate) fn kill_for_call(&mut self, call_id: CallId, effects: &mut Effects) {
        let in_flight =
            self.calls.in_flight_mut().chain(self.nested.iter_mut()).any(|(_, call)| call.call_id == call_id);
        if in_flight {
            self.kill(KillReason::CallUnresponsive, effects);
        }
    }

    /// Kills a worker that has not even passed this call by, though none of its calls runs: nothing else would end it.
    pub(crate) fn kill_if_stuck(&mut self, call_id: CallId, started: impl Fn(usize) -> bool, effects: &mut Effects) {
        let waits = self.calls.in_flight().any(|(_, call)| call.call_id == call_id);
        if waits && !self.calls.in_flight().any(|(slot, _)| started(slot)) {
            self.kill(KillReason::WorkerStuck, effects);
        }
    }

    /// The calls of this id, each with a way to learn what becomes of it.
    pub(crate) fn subscribe_cancellation(&mut self, request_id: &RequestId) -> Vec<CancelTarget> {
        let queued = self.calls.queued_mut().filter(|call| call.request.request_id.as_ref() == Some(request_id));
        let mut targets: Vec<_> =
            queued.map(|call| (call.call_id, call.grace, subscribe(&mut call.cancel_waiters))).collect();
        let in_flight = self.calls.in_flight_mut().chain(self.nested.iter_mut()).map(|(_, call)| call);
        let named = in_flight.filter(|call| call.reply.is_some() && call.request_id.as_ref() == Some(request_id));
        targets.extend(named.map(|call| (call.call_id, call.grace, subscribe(&mut call.cancel_waiters))));
        targets.into_iter().map(|(call_id, grace, outcome)| CancelTarget { call_id, grace, outcome }).collect()
    }

    /// Cancels the streams of this id that are between two batches. Returns their handles.
    pub(crate) fn cancel_paused(&mut self, request_id: &RequestId) -> Vec<String> {
        self.paused.cancel(request_id)
    }
}

fn queued(call: NewCall, call_id: CallId, watchdog: Option<Watchdog>) -> QueuedCall {
    let NewCall { request, grace, reply } = call;
    QueuedCall { call_id, request, grace, reply, watchdog, cancel_waiters: Vec::new() }
}

fn subscribe<T>(waiters: &mut Vec<oneshot::Sender<T>>) -> oneshot::Receiver<T> {
    let (waiter, outcome) = oneshot::channel();
    waiters.push(waiter);
    outcome
}
