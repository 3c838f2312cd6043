//! The state of a session, and the transitions of its lifecycle.

use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Outcome, Problem, WorkerDeath};

use crate::session::call::CallId;
use crate::session::error::{KillReason, cancelled_error, closing_error, worker_lost_error};
use crate::session::limits::{EffectiveLimits, SessionLimits};
use crate::session::state::call_record::InFlightCall;
use crate::session::state::call_table::CallTable;
use crate::session::state::client_requests::{ClientRequests, NO_CALL};
use crate::session::state::effect::{Effect, Effects};
use crate::session::state::lifecycle::{Lifecycle, LinkId};
use crate::session::state::nested::NestedCalls;
use crate::session::state::reply_sink::ReplySink;
use crate::session::state::streams::PausedStreams;
use crate::session::state::subscribers::Subscribers;
use crate::session::state::untold::{Settling, UntoldLoss};
use crate::worker::request_limits::RequestLimits;
use crate::worker::wire::HostMessage;

/// Figures of a session.
#[derive(Debug)]
pub(crate) struct SessionStats {
    /// The number of the worker: 1 at first, one more after each restart.
    pub(crate) epoch: u64,
    /// Since when no call is in progress.
    pub(super) idle_since: Instant,
    /// When a call of this epoch ended last.
    pub(crate) last_call_ended_at: Option<Instant>,
    /// How the last worker ended.
    pub(crate) last_exit: Option<WorkerDeath>,
    /// Why this host has killed the worker, if it has.
    pub(crate) kill_reason: Option<KillReason>,
}

/// The state of one session.
#[derive(Debug)]
pub(crate) struct SessionState {
    pub(super) lifecycle: Lifecycle,
    pub(super) calls: CallTable,
    pub(super) nested: NestedCalls,
    pub(super) client_requests: ClientRequests,
    pub(super) paused: PausedStreams,
    pub(super) subscribers: Subscribers,
    pub(super) settling: Settling,
    pub(super) untold_loss: Option<UntoldLoss>,
    pub(super) stats: SessionStats,
    /// The limits of each call.
    pub(super) limits: EffectiveLimits,
    /// What the worker enforces for every request.
    request_limits: RequestLimits,
    /// What calls are told of a session that closes.
    pub(super) closing: Problem,
    pub(super) max_waiting: usize,
    /// Whether the session's memory is limited.
    pub(super) limits_memory: bool,
    /// Why there is no worker for a while.
    pub(super) pause: Option<String>,
    /// Why the last attempt to start a worker failed.
    failure: Option<Problem>,
    /// By when the worker is to have ended, where it is to end; nothing more is sent to it.
    pub(super) ends_by: Option<Instant>,
}

impl SessionState {
    pub(crate) fn new(limits: &SessionLimits, now: Instant) -> SessionState {
        SessionState {
            lifecycle: Lifecycle::Starting,
            calls: CallTable::default(),
            nested: NestedCalls::default(),
            client_requests: ClientRequests::default(),
            paused: PausedStreams::default(),
            subscribers: Subscribers::default(),
            settling: Settling::default(),
            untold_loss: None,
            stats: SessionStats {
                epoch: 1,
                idle_since: now,
                last_call_ended_at: None,
                last_exit: None,
                kill_reason: None,
            },
            limits: EffectiveLimits::from(limits),
            request_limits: limits.of_every_request(),
            closing: closing_error(),
            max_waiting: limits.waiting,
            limits_memory: limits.memory_bytes.is_some(),
            pause: None,
            failure: None,
            ends_by: None,
        }
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    pub(crate) fn stats(&self) -> &SessionStats {
        &self.stats
    }

    /// How many calls have no response, nested ones apart. An open stream is one, also between two batches.
    pub(crate) fn calls_in_progress(&self) -> usize {
        self.calls.len() + self.paused.len()
    }

    fn enter(&mut self, lifecycle: Lifecycle, effects: &mut Effects) {
        self.lifecycle = lifecycle;
        effects.push(Effect::Publish(self.lifecycle.clone()));
    }
}

/// Its lifecycle.
impl SessionState {
    /// A worker takes calls from now on; it is of the present epoch. Returns false where nothing is left for it to do.
    pub(crate) fn link_up(&mut self, pid: i32, now: Instant, effects: &mut Effects) -> bool {
        let link = LinkId { epoch: self.stats.epoch, pid };
        let next = match self.lifecycle {
            Lifecycle::Closing(_) if self.calls.len() > 0 => Lifecycle::Closing(Some(link)),
            Lifecycle::Closing(_) | Lifecycle::Closed => return false,
            Lifecycle::Starting | Lifecycle::Running(_) | Lifecycle::Failed(_) => Lifecycle::Running(link),
        };
        self.enter(next, effects);
        effects.push(Effect::Send(HostMessage::SessionLimits(self.request_limits.clone())));
        self.stats.idle_since = now;
        (self.pause, self.failure) = (None, None);
        self.send_ahead(now, effects);
        true
    }

    /// The worker is gone: every call it had is answered, and the next epoch of `session` begins.
    ///
    /// `started` says whether the call in a slot of the shared page has started.
    pub(crate) fn link_down(
        &mut self,
        session: &str,
        death: &WorkerDeath,
        started: impl Fn(usize) -> bool,
        now: Instant,
        effects: &mut Effects,
    ) {
        let next = match self.lifecycle {
            Lifecycle::Running(_) => Lifecycle::Starting,
            Lifecycle::Closing(Some(_)) => Lifecycle::Closing(None),
            _ => return,
        };
        let epoch = self.stats.epoch;
        let kill_reason = self.stats.kill_reason.take();
        let nobody_waits = self.calls.unanswered() == 0 && self.paused.len() == 0 && !self.is_settling();
        if nobody_waits {
            self.note_untold_loss(death, kill_reason);
        }
        self.settle_as_lost(death, kill_reason, effects);
        let mut calls = self.calls.take_in_flight();
        effects.push(Effect::CallsEnded(calls.len()));
        calls.extend(self.nested.take_all());
        calls.sort_by_key(|(_, call)| call.call_id);
        for (slot, call) in calls {
            let started = started(slot) || call.reply.as_ref().is_some_and(has_begun);
            let problem = lost(&call, death, started, kill_reason);
            call.finish(problem.into(), epoch, effects);
        }
        for call in self.calls.drain_queued() {
            let started = has_begun(&call.reply);
            call.reject(worker_lost_error(death, started, kill_reason), epoch, effects);
        }
        self.paused.stop_all(&worker_lost_error(death, true, kill_reason));
        self.client_requests.clear();
        self.ends_by = None;
        let goes_on = matches!(next, Lifecycle::Starting);
        self.stats = SessionStats {
            epoch: epoch + u64::from(goes_on),
            idle_since: now,
            last_exit: Some(death.clone()),
            kill_reason: None,
            last_call_ended_at: None,
        };
        if goes_on {
            self.subscribers.restarted(session, epoch + 1, death);
        }
        self.enter(next, effects);
        self.note_drained(effects);
    }

    /// No worker could be started: every call that waits fails.
    pub(crate) fn fail(&mut self, problem: Problem, effects: &mut Effects) {
        self.reject_queued(&problem, effects);
        if matches!(self.lifecycle, Lifecycle::Starting) {
            self.failure = Some(problem.clone());
            self.enter(Lifecycle::Failed(problem), effects);
        }
    }

    /// New calls are rejected from now on. The worker ends once those in progress are done.
    pub(crate) fn close(&mut self, effects: &mut Effects) {
        if !self.lifecycle.is_closing() {
            self.enter(Lifecycle::Closing(self.lifecycle.link()), effects);
        }
        self.note_drained(effects);
    }

    /// The session has been idle for as long as it may.
    pub(crate) fn expire(&mut self, problem: Problem, effects: &mut Effects) {
        if !self.lifecycle.is_closing() {
            self.closing = problem;
        }
        self.close(effects);
    }

    /// What subscribers are told of the end, unless it was asked for.
    pub(super) fn problem_of_end(&self) -> Option<Problem> {
        self.has_expired().then(|| self.closing.clone())
    }

    /// Whether it ended since it was idle.
    pub(crate) fn has_expired(&self) -> bool {
        self.closing.code == ErrorCode::SessionExpired
    }

    /// The worker is gone for good.
    pub(crate) fn closed(&mut self, effects: &mut Effects) {
        self.reject_queued(&Problem::new(ErrorCode::ShuttingDown, "the session was closed"), effects);
        self.subscribers.end(self.problem_of_end().as_ref(), self.stats.epoch);
        self.enter(Lifecycle::Closed, effects);
    }

    /// The worker has to end by this time: what waits does not start any more, and nothing more is sent. Returns the calls to
    /// interrupt, in order of arrival, each with its grace.
    pub(crate) fn end(&mut self, why: KillReason, by: Instant, effects: &mut Effects) -> Vec<(CallId, Duration)> {
        if self.lifecycle.link().is_none() {
            if self.lifecycle.is_closing() {
                self.reject_queued(&closing_error(), effects);
                self.note_drained(effects);
            }
            return Vec::new();
        }
        if why == KillReason::Restarting {
            self.stats.kill_reason = Some(why);
        }
        self.reject_queued(&cancelled_error(why.code(), Outcome::NotStarted), effects);
        let is_ending = self.ends_by.replace(by).is_some();
        self.note_drained(effects);
        let in_flight = self.calls.in_flight().filter(|(_, call)| call.reply.is_some() && !is_ending);
        let mut calls: Vec<_> = in_flight.map(|(_, call)| (call.call_id, call.grace)).collect();
        calls.sort_unstable();
        calls
    }

    /// By when the worker is to have ended, where it is to end.
    pub(crate) fn ends_by(&self) -> Option<Instant> {
        self.ends_by
    }

    /// Whether the worker ends as a program does: it has no calls any more.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_drained() && self.lifecycle.link().is_some()
    }

    /// Whether the worker has nothing to do any more, and is to end.
    pub(crate) fn is_drained(&self) -> bool {
        let ends = self.ends_by.is_some() && self.calls.in_flight_count() == 0;
        ends || self.lifecycle.is_closing() && self.calls_in_progress() == 0
    }

    /// Ends the worker, or starts one where none could be started before. Returns the link before.
    pub(crate) fn restart(&mut self, effects: &mut Effects) -> Option<LinkId> {
        self.untold_loss = None;
        self.kill(KillReason::Restarting, effects);
        self.start_if_failed(effects);
        if self.pause.is_some() {
            effects.push(Effect::StartWorker); // at once
        }
        self.lifecycle.link()
    }

    /// The next worker starts after a pause, for this reason.
    pub(crate) fn pause(&mut self, why: String) {
        self.pause = Some(why);
    }

    /// The calls in progress of a session that closes have had their time.
    pub(crate) fn abandon(&mut self, effects: &mut Effects) {
        self.kill(KillReason::Closing, effects);
        if matches!(self.lifecycle, Lifecycle::Closing(None)) {
            self.reject_queued(&self.closing.clone(), effects);
            self.note_drained(effects);
        }
    }

    /// Kills the worker, if there is one, whatever it does.
    pub(crate) fn kill(&mut self, why: KillReason, effects: &mut Effects) {
        if self.lifecycle.link().is_some() {
            self.stats.kill_reason = Some(why);
            effects.push(Effect::Kill);
        }
    }

    /// Why no worker could be started at the last attempt, until one is.
    pub(crate) fn failure(&self) -> Option<&Problem> {
        self.failure.as_ref()
    }

    /// Begins another attempt where no worker could be started.
    pub(crate) fn start_if_failed(&mut self, effects: &mut Effects) {
        if matches!(self.lifecycle, Lifecycle::Failed(_)) {
            self.enter(Lifecycle::Starting, effects);
            effects.push(Effect::StartWorker);
        }
    }

    /// A call, or what counts as one, has ended.
    pub(super) fn note_idle(&mut self, now: Instant, effects: &mut Effects) {
        self.stats.idle_since = now;
        self.note_drained(effects);
    }

    pub(super) fn note_drained(&mut self, effects: &mut Effects) {
        if self.is_drained() {
            // The end of the worker waits for its threads, which may wait for the answers of clients.
            effects.extend(self.client_requests.take_of(NO_CALL).map(Effect::EndRequests));
            effects.push(Effect::Drained);
        }
    }

    fn reject_queued(&mut self, problem: &Problem, effects: &mut Effects) {
        for call in self.calls.drain_queued() {
            call.reject(problem.clone(), self.stats.epoch, effects);
        }
    }
}

/// Whether something of it ran already: of a stream, the batches before.
fn has_begun(reply: &ReplySink) -> bool {
    reply.continues().is_some()
}

/// What a call is told whose worker is gone.
fn lost(call: &InFlightCall, death: &WorkerDeath, started: bool, kill_reason: Option<KillReason>) -> Problem {
    match call.stopping {
        Some(why) if started && kill_reason == Some(KillReason::CallUnresponsive) => Problem {
            death: Some(Box::new(death.clone())),
            started: Some(true),
            traceback: call.killed_at.clone(),
            ..cancelled_error(why, Outcome::StateLost)
        },
        _ => worker_lost_error(death, started, kill_reason),
    }
}
