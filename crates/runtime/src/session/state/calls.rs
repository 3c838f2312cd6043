//! The transitions of a session's calls.

use std::time::{Duration, Instant};

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{ErrorCode, Frame, Outcome, Problem};
use tokio::sync::oneshot;

use crate::session::call::{CallId, CallResult, Request, RequestId, Response};
use crate::session::error::{KillReason, cancelled_error};
use crate::session::event_channel::EventSender;
use crate::session::limits::needs_polling;
use crate::session::output::CapturedOutput;
use crate::session::state::call_record::{CancelTarget, InFlightCall, QueuedCall, Watchdog, report_cancel};
use crate::session::state::effect::{Effect, Effects};
use crate::session::state::reply_sink::ReplySink;
use crate::session::state::state::SessionState;
use crate::session::state::streams::{BatchEnd, PausedStream, dispose_request, mark_cancelled};
use crate::worker::process_group::ProcessMark;
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

/// Where a call stands that has to stop.
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
        let admitted = match call.reply.continues() {
            Some(batch) => self.paused.resume(batch), // part of a call that was admitted
            None => self.admit(),
        };
        if let Err(problem) = admitted {
            effects.push(Effect::Reply(call.reply, Response::problem(problem, self.stats.epoch)));
            return None;
        }
        if let Some(result) = self.tell_of_loss(&call.request) {
            let (output, epoch) = (CapturedOutput::default(), self.stats.epoch);
            effects.push(Effect::Reply(call.reply, Response { result, output, epoch }));
            return None;
        }
        if needs_polling(&call.request) {
            effects.push(Effect::PollUsage);
        }
        let call_id = self.calls.next_call_id();
        self.calls.push(queued(call, call_id, watchdog(call_id), now));
        self.send_ahead(now, effects);
        self.start_if_failed(effects);
        Some(call_id)
    }

    fn admit(&self) -> Result<(), Problem> {
        if self.lifecycle.is_closing() {
            return Err(self.closing.clone());
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
        (now, mark): (Instant, ProcessMark),
        effects: &mut Effects,
    ) {
        let route = match self.client_requests.route(client_request) {
            Ok(route) => route,
            Err(problem) => {
                return effects.push(Effect::Reply(call.reply, Response::problem(problem, self.stats.epoch)));
            }
        };
        let call_id = self.calls.next_call_id();
        match self.nested.send(queued(call, call_id, watchdog(call_id), now), route, self.limits, (now, mark)) {
            Ok(message) => effects.push(Effect::Send(message)),
            Err(call) => {
                let detail = format!(
                    "{SLOTS} calls within callbacks of this session have no answer yet, as many as may; callbacks nest no \
                     deeper, so answer one without a call"
                );
                call.reject(Problem::new(ErrorCode::QueueFull, detail), self.stats.epoch, effects);
            }
        }
    }

    pub(super) fn send_ahead(&mut self, now: Instant, effects: &mut Effects) {
        if self.lifecycle.link().is_none() || self.ends_by.is_some() {
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
        if call.reply.as_ref().is_some_and(|reply| reply.is_of_client() && reply.continues().is_none()) {
            effects.push(Effect::Waited(self.began_at(call.sent_at).saturating_duration_since(call.arrived_at)));
        }
        self.client_requests.end_of(id);
        self.nested.end_within(id, started, self.stats.epoch, effects);
        self.send_ahead(now, effects);
        self.stats.last_call_ended_at = Some(now);
        self.stats.idle_since = now;
        let mut result = call.result(answer);
        self.pause_stream(&call, &mut result, now, effects);
        self.finish(call, result, effects);
        self.note_drained(effects);
    }

    /// A batch of a stream that this host continues has ended: the stream pauses, or ends where it was to be stopped.
    fn pause_stream(&mut self, call: &InFlightCall, result: &mut CallResult, now: Instant, effects: &mut Effects) {
        let Some(ReplySink::Stream(EventSender { channel, batch: Some(_), .. }, _)) = &call.reply else { return };
        match call.stopping {
            // The stop came as the batch ended.
            Some(why) => {
                if let Some(handle_id) = mark_cancelled(result, why) {
                    let request = dispose_request(&handle_id);
                    let call_id = self.calls.next_call_id();
                    let dispose = NewCall { request, grace: call.grace, reply: ReplySink::Discard };
                    self.calls.push(queued(dispose, call_id, None, now));
                    self.send_ahead(now, effects);
                }
            }
            None if channel.is_detached() => {} // who went disposes of it
            None => {
                let end = BatchEnd::of(result).filter(|end| !end.done);
                if let Some(handle_id) = end.and_then(|end| end.handle_id) {
                    let (batch, request_id) = (call.call_id, call.request_id.clone());
                    self.paused.pause(PausedStream { batch, request_id, handle_id });
                }
            }
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
        let since = self.nested.began(call_id);
        let mut all = self.calls.in_flight_mut().chain(self.nested.iter_mut());
        let Some((slot, call)) = all.find(|(_, call)| call.call_id == call_id) else { return StopResult::Answered };
        call.stopping.get_or_insert(why);
        if mark_cancelled(slot) {
            if interrupt {
                call.interrupted = true;
                let id = call.id;
                effects.push(Effect::Interrupt { since });
                if since.is_none() {
                    // After the interrupt: the waiting thread learns of that first.
                    effects.extend(self.client_requests.take_of(id).map(Effect::EndRequests));
                }
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

    /// Interrupts a call once, as Ctrl-C does, and leaves it to its code whether it stops; one that has not started does not start.
    ///
    /// `press` gives the Ctrl-C to a slot on the shared page; like `mark_cancelled` it says whether its call has started.
    pub(crate) fn press_ctrl_c(
        &mut self,
        call_id: CallId,
        press: impl FnOnce(usize) -> bool,
        mark_cancelled: impl FnOnce(usize) -> bool,
        effects: &mut Effects,
    ) -> CancelOutcome {
        let since = self.nested.began(call_id);
        let in_flight = {
            let mut all = self.calls.in_flight_mut().chain(self.nested.iter_mut());
            all.find(|(_, call)| call.call_id == call_id).map(|(slot, _)| slot)
        };
        if in_flight.is_some_and(press) {
            effects.push(Effect::Interrupt { since });
            return CancelOutcome::Interrupted;
        }
        match self.stop(call_id, ErrorCode::Cancelled, true, mark_cancelled, effects) {
            StopResult::Answered | StopResult::NotStarted => CancelOutcome::NotStarted,
            StopResult::Running => CancelOutcome::Interrupted, // it started just now
        }
    }

    /// Whether the call has been interrupted to stop it.
    pub(crate) fn is_interrupted(&mut self, call_id: CallId) -> bool {
        let mut all = self.calls.in_flight_mut().chain(self.nested.iter_mut());
        all.any(|(_, call)| call.call_id == call_id && call.interrupted)
    }

    /// Kills the worker of a call that could not be interrupted, and is at these frames.
    pub(crate) fn kill_for_call(&mut self, call_id: CallId, at: Vec<Frame>, effects: &mut Effects) {
        let found = self.calls.in_flight_mut().chain(self.nested.iter_mut()).find(|(_, call)| call.call_id == call_id);
        let Some((_, call)) = found else { return };
        // Where it is being killed already, a second look may have found nothing.
        if call.killed_at.is_empty() {
            call.killed_at = at;
        }
        self.kill(KillReason::CallUnresponsive, effects);
    }

    /// Kills a worker that has not even passed this call by, though none of its calls runs: nothing else would end it.
    pub(crate) fn kill_if_stuck(&mut self, call_id: CallId, started: impl Fn(usize) -> bool, effects: &mut Effects) {
        let waits = self.calls.in_flight().any(|(_, call)| call.call_id == call_id);
        if waits && !self.calls.in_flight().any(|(slot, _)| started(slot)) {
            self.kill(KillReason::WorkerStuck, effects);
        }
    }

    /// The calls of this id.
    pub(crate) fn calls_named(&mut self, request_id: &RequestId) -> Vec<CallId> {
        let queued = self.calls.queued().filter(|call| call.request.request_id.as_ref() == Some(request_id));
        let mut named: Vec<_> = queued.map(|call| call.call_id).collect();
        let in_flight = self.calls.in_flight_mut().chain(self.nested.iter_mut()).map(|(_, call)| call);
        let in_flight = in_flight.filter(|call| call.reply.is_some() && call.request_id.as_ref() == Some(request_id));
        named.extend(in_flight.map(|call| call.call_id));
        named
    }

    /// The calls of this id, each with a way to learn what becomes of it. They stop from now on: a stream whose batch ends
    /// before it is interrupted does not go on.
    pub(crate) fn subscribe_cancellation(&mut self, request_id: &RequestId) -> Vec<CancelTarget> {
        let queued = self.calls.queued_mut().filter(|call| call.request.request_id.as_ref() == Some(request_id));
        let mut targets: Vec<_> =
            queued.map(|call| (call.call_id, call.grace, subscribe(&mut call.cancel_waiters))).collect();
        let in_flight = self.calls.in_flight_mut().chain(self.nested.iter_mut()).map(|(_, call)| call);
        let named = in_flight.filter(|call| call.reply.is_some() && call.request_id.as_ref() == Some(request_id));
        targets.extend(named.map(|call| {
            call.stopping.get_or_insert(ErrorCode::Cancelled);
            (call.call_id, call.grace, subscribe(&mut call.cancel_waiters))
        }));
        targets.into_iter().map(|(call_id, grace, outcome)| CancelTarget { call_id, grace, outcome }).collect()
    }

    /// Cancels the streams of this id, or all, that are between two batches. Returns their handles.
    pub(crate) fn cancel_paused(
        &mut self,
        request_id: Option<&RequestId>,
        now: Instant,
        effects: &mut Effects,
    ) -> Vec<String> {
        let handle_ids = self.paused.cancel(request_id);
        if !handle_ids.is_empty() {
            self.note_idle(now, effects);
        }
        handle_ids
    }
}

fn queued(call: NewCall, call_id: CallId, watchdog: Option<Watchdog>, now: Instant) -> QueuedCall {
    let NewCall { request, grace, reply } = call;
    QueuedCall { call_id, arrived_at: now, request, grace, reply, watchdog, cancel_waiters: Vec::new() }
}

fn subscribe<T>(waiters: &mut Vec<oneshot::Sender<T>>) -> oneshot::Receiver<T> {
    let (waiter, outcome) = oneshot::channel();
    waiters.push(waiter);
    outcome
}
