//! The calls of a session: those that wait here, and those that were sent ahead to its worker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Outcome, Problem, ValueForm, WorkerDeath};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::session::call::{RequestId, Response};
use crate::session::effective_limits::{EffectiveLimits, RequestLimits, is_looked_at};
use crate::session::error::{KillReason, lost, stopped};
use crate::session::event_channel::{ClientRequest, ClientRequestKind, Event, EventSender};
use crate::session::event_stream::{PausedStreams, closing_of, cut_short};
use crate::session::limits::SessionLimits;
use crate::session::manager::cancel::Found;
use crate::session::session::closing;
use crate::session::spin::AdaptiveSpin;
use crate::session::state::call_record::{InFlightCall, QueuedCall, ReplySink, tell};
use crate::session::state::client_requests::{ClientRequests, Told, Way};
use crate::session::state::nested::NestedCalls;
use crate::worker::frame::{Body, encode as encode_frames, flag, kind};
use crate::worker::shared_page::{SLOTS, SharedPage};
use crate::worker::worker::Worker;
use crate::worker::write_queue::WriteQueue;

/// A worker that takes calls.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) worker: Arc<Worker>,
    pub(crate) outbox: Arc<WriteQueue>,
    pub(crate) slots: Arc<SharedPage>,
}

/// Where a call stands when it is to be stopped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StopResult {
    /// It has its answer: there is nothing to stop any more.
    Answered,
    /// It will not start any more, and its caller knows; but the worker has not passed it by yet.
    NotStarted,
    /// It runs: it is marked, and stops when its worker is interrupted.
    Running,
}

/// The calls of one session.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    last_ticket: u64,
    last_sequence: u64,
    waiting: VecDeque<QueuedCall>,
    in_flight: [Option<InFlightCall>; SLOTS],
    sent_count: usize,
    connection: Option<Connection>,
    killed: Option<KillReason>,
    pub(crate) epoch: u64,
    /// What a call may take that does not say so itself.
    caps: EffectiveLimits,
    /// When a call ended last.
    turned: Option<Instant>,
    /// Since when no call is under way, though there is a worker for it.
    idle_since: Option<Instant>,
    /// How its last worker ended.
    last_death: Option<WorkerDeath>,
    questions: ClientRequests,
    resting: PausedStreams,
    nested: NestedCalls,
    traffic: Option<Arc<AdaptiveSpin>>,
}

impl Queue {
    pub(crate) fn new(limits: &SessionLimits, traffic: Option<Arc<AdaptiveSpin>>) -> Queue {
        Queue {
            epoch: 1,
            caps: EffectiveLimits::of(limits),
            idle_since: Some(Instant::now()),
            traffic,
            ..Queue::default()
        }
    }

    pub(crate) fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// How many calls have no answer yet.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.sent_count
    }

    pub(crate) fn push(&mut self, pending: QueuedCall) {
        self.waiting.push_back(pending);
        self.send_ahead();
    }

    /// From now on calls go to this worker.
    pub(crate) fn connect(&mut self, connection: Connection) {
        let terms = RequestLimits { result_bytes: self.caps.result, ..RequestLimits::default() };
        if let Some(terms) = terms.written() {
            connection.outbox.push(|out| encode_frames(out, kind::TERMS, 0, 0, &terms));
        }
        self.connection = Some(connection);
        self.idle_since = Some(Instant::now());
        self.send_ahead();
    }

    fn send_ahead(&mut self) {
        let Some(connection) = &self.connection else { return };
        while self.sent_count < SLOTS {
            let Some(pending) = self.waiting.pop_front() else { return };
            let Some(slot) = self.in_flight.iter().position(Option::is_none) else { return };
            connection.slots.clear(slot);
            self.last_sequence += 1;
            let id = self.last_sequence * SLOTS as u64 + slot as u64;
            let mut flags = if pending.request.form == ValueForm::Exact { flag::EXACT } else { 0 };
            flags |= pending.reply.flags();
            if self.sent_count > 0 {
                flags |= flag::FOLLOWS;
            }
            let request = &pending.request;
            let has_terms = request.limits.is_some() || request.lease.is_some();
            let terms = has_terms.then(|| RequestLimits::of(request).written()).flatten();
            connection.outbox.push(|out| {
                if let Some(terms) = &terms {
                    encode_frames(out, kind::TERMS, 0, id, terms);
                }
                encode_frames(out, request.operation.number(), flags, id, &request.body);
            });
            self.sent_count += 1;
            self.traffic.iter().for_each(|traffic| traffic.sent());
            self.in_flight[slot] = Some(pending.sent(id, self.caps));
        }
    }

    /// The slots of the worker, in which it notes the call that runs.
    pub(crate) fn slots(&self) -> Option<Arc<SharedPage>> {
        self.connection.as_ref().map(|connection| connection.slots.clone())
    }

    /// Gives output to the call that ran when it was written. False where none did: the session was idle.
    pub(crate) fn take_output(&mut self, id: u64, stderr: bool, bytes: &[u8]) -> bool {
        let entry = &mut self.in_flight[place_of(id)];
        let Some(in_flight) = entry.as_mut().filter(|in_flight| in_flight.id == id) else { return false };
        match &in_flight.reply {
            Some(ReplySink::Follower(feeder, _)) => feeder.feed.write(stderr, bytes, in_flight.caps.output),
            _ => {
                let capture = if stderr { &mut in_flight.stderr } else { &mut in_flight.stdout };
                capture.push(bytes, in_flight.caps.output);
            }
        }
        true
    }

    /// The call of this id, while it has no answer.
    fn sent(&self, id: u64) -> Option<&InFlightCall> {
        self.in_flight[place_of(id)].as_ref().filter(|in_flight| in_flight.id == id)
    }

    /// The call that the worker carries out now.
    fn current(&self) -> Option<&InFlightCall> {
        self.sent(self.connection.as_ref()?.slots.running())
    }

    /// Tells whoever follows this call; false where nobody does.
    pub(crate) fn tell(&mut self, id: u64, event: Event) -> bool {
        match self.sent(id).and_then(|in_flight| in_flight.reply.as_ref()) {
            Some(ReplySink::Follower(feeder, _)) => feeder.feed.tell(event),
            _ => false,
        }
    }

    /// Tells whoever follows the call that runs.
    pub(crate) fn tell_running(&mut self, event: Event) -> bool {
        self.current().map(|in_flight| in_flight.id).is_some_and(|id| self.tell(id, event))
    }

    /// Asks the client of the call that runs. The receiver fails where it will not answer any more.
    pub(crate) fn ask(
        &mut self,
        wants: ClientRequestKind,
        body: Bytes,
        way: Option<Way>,
    ) -> Result<oneshot::Receiver<Told>, Problem> {
        let asked = self.current().and_then(|in_flight| match &in_flight.reply {
            Some(ReplySink::Follower(_, capabilities)) => {
                let offered =
                    if wants == ClientRequestKind::Input { capabilities.stdin } else { capabilities.callbacks };
                offered.then_some(in_flight.id)
            }
            _ => None,
        });
        let Some(id) = asked else {
            let detail = "no call is under way whose client could be asked";
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        };
        let (question, answer) = self.questions.open(id, way)?;
        if !self.tell(id, Event::ClientRequest(ClientRequest { id: question, wants, body })) {
            self.questions.end_of(id); // the client is gone
        }
        Ok(answer)
    }

    /// Sends a call to the thread that waits for the answer to this question, which carries it out.
    pub(crate) fn nest(&mut self, question: &str, pending: QueuedCall) -> Result<(), Problem> {
        let (way, around) = self.questions.way(question)?;
        let Some(connection) = &self.connection else { return Err(closing()) };
        self.nested.send(pending, way, around, self.caps, &connection.slots).map_err(|_| {
            let detail = format!("{SLOTS} calls within callbacks of this session have no answer yet");
            Problem::new(ErrorCode::QueueFull, detail)
        })
    }

    /// Ends a call that was carried out so; the answer is read by the function.
    pub(crate) fn complete_nested(
        &mut self,
        answer: Body,
        read: impl FnOnce(&EffectiveLimits, u8, Body, Option<ErrorCode>) -> crate::session::call::CallResult,
    ) {
        if let Some((in_flight, kind, body)) = self.nested.answered(answer) {
            let caps = in_flight.caps;
            in_flight.finish(|stopping| read(&caps, kind, body, stopping), self.epoch);
        }
    }

    /// The questions that wait for a client's answer.
    pub(crate) fn questions(&mut self) -> &mut ClientRequests {
        &mut self.questions
    }

    /// The streams between two rounds.
    pub(crate) fn resting(&mut self) -> &mut PausedStreams {
        &mut self.resting
    }

    /// Nobody follows this call any more: what it asked gets no answer.
    pub(crate) fn leave(&mut self, call_id: u64) {
        if let Some(id) =
            self.in_flight.iter().flatten().find(|in_flight| in_flight.call_id == call_id).map(|in_flight| in_flight.id)
        {
            self.questions.end_of(id);
        }
    }

    /// Ends a call: with the function's answer, unless its caller was told already.
    pub(crate) fn complete(
        &mut self,
        id: u64,
        answer: impl FnOnce(Option<ErrorCode>, &EffectiveLimits) -> crate::session::call::CallResult,
    ) {
        let Some(in_flight) = self.in_flight[place_of(id)].take_if(|in_flight| in_flight.id == id) else {
            return; // an answer that nobody waits for any more
        };
        self.ended(1);
        self.questions.end_of(id);
        self.nested.end_within(id, self.connection.as_ref().map(|connection| &*connection.slots), self.epoch);
        self.send_ahead();
        self.turned = Some(Instant::now());
        if self.len() == 0 {
            self.idle_since = self.turned;
        }
        let caps = in_flight.caps;
        let answer = |stopping| answer(stopping, &caps);
        let Some(ReplySink::Follower(EventSender { feed, round: Some(_), .. }, _)) = &in_flight.reply else {
            return in_flight.finish(answer, self.epoch);
        };
        let mut answer = answer(in_flight.stopping);
        match (in_flight.stopping, &in_flight.name) {
            // The stop came as the round ended: then it ends the stream.
            (Some(why), _) => {
                if let Some(handle_id) = cut_short(&mut answer, why) {
                    let (request, grace) = (closing_of(&handle_id), in_flight.grace);
                    let (reply, call_id) = (ReplySink::Caller(oneshot::channel().0), self.next_ticket());
                    self.push(QueuedCall { call_id, request, grace, reply, watchdog: None, ended: Vec::new() });
                }
            }
            (None, Some(name)) => self.resting.add(name.clone(), feed),
            (None, None) => {}
        }
        in_flight.finish(|_| answer, self.epoch);
    }

    /// Keeps a call from starting, or marks the one that runs as to be stopped.
    pub(crate) fn stop(&mut self, call_id: u64, why: ErrorCode) -> StopResult {
        if let Some(at) = self.waiting.iter().position(|pending| pending.call_id == call_id) {
            if let Some(pending) = self.waiting.remove(at) {
                pending.refuse(stopped(why, Outcome::NotStarted), self.epoch);
            }
            return StopResult::Answered;
        }
        let Some(connection) = &self.connection else { return StopResult::Answered };
        let in_flight = self.in_flight.iter_mut().enumerate().filter_map(|(slot, entry)| Some((slot, entry.as_mut()?)));
        let mut all = in_flight.chain(self.nested.iter_mut());
        let Some((slot, in_flight)) = all.find(|(_, in_flight)| in_flight.call_id == call_id) else {
            return StopResult::Answered;
        };
        connection.slots.cancel(slot);
        in_flight.stopping.get_or_insert(why);
        if connection.slots.started(slot) {
            return StopResult::Running;
        }
        // It cannot start any more. The slot stays taken until the worker has passed it by.
        if let Some(reply) = in_flight.reply.take() {
            tell(&mut in_flight.ended, reply.unless_begun());
            reply.send(Response::problem(stopped(why, Outcome::NotStarted), self.epoch));
        }
        StopResult::NotStarted
    }

    /// For how long no call has been under way.
    pub(crate) fn idle(&self) -> Option<Duration> {
        self.idle_since.filter(|_| self.len() == 0).map(|since| since.elapsed())
    }

    /// How its last worker ended.
    pub(crate) fn last_death(&self) -> Option<WorkerDeath> {
        self.last_death.clone()
    }

    /// Whether a call is under way, or waits, that has to be looked at while it runs.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.in_flight.iter().flatten().any(|in_flight| in_flight.is_looked_at)
            || self.waiting.iter().any(|pending| is_looked_at(&pending.request))
    }

    /// The worker, while there is one, and what is shared with it.
    pub(crate) fn worker(&self) -> Option<(Arc<Worker>, Arc<SharedPage>)> {
        self.connection.as_ref().map(|connection| (connection.worker.clone(), connection.slots.clone()))
    }

    /// For how long the call that runs has been running: since it was sent, or the one before it had ended.
    pub(crate) fn running_for(&self) -> Option<Duration> {
        let in_flight = self.current()?;
        let began = self.turned.map_or(in_flight.sent, |turned| turned.max(in_flight.sent));
        Some(began.elapsed())
    }

    /// The call that runs: its ticket, its grace, and what it may take.
    pub(crate) fn running(&self) -> Option<(u64, Duration, EffectiveLimits)> {
        self.current().map(|in_flight| (in_flight.call_id, in_flight.grace, in_flight.caps))
    }

    /// Interrupts the call that runs, if it is marked.
    pub(crate) fn interrupt(&self) {
        if let Some(connection) = &self.connection {
            connection.worker.interrupt();
        }
    }

    /// Ends the worker of a call that could not be interrupted.
    pub(crate) fn kill(&mut self, call_id: u64) {
        let nested = self.nested.iter_mut().map(|(_, in_flight)| in_flight);
        if self.in_flight.iter_mut().flatten().chain(nested).any(|in_flight| in_flight.call_id == call_id) {
            self.kill_worker(KillReason::ForCall);
        }
    }

    /// Ends a worker that has not even passed this call by, though none of its calls runs: nothing else would end it.
    pub(crate) fn kill_if_stuck(&mut self, call_id: u64) {
        let Some(connection) = &self.connection else { return };
        let mut in_flight = self.in_flight.iter().enumerate().filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)));
        let waits = in_flight.clone().any(|(_, in_flight)| in_flight.call_id == call_id);
        if waits && !in_flight.any(|(slot, _)| connection.slots.started(slot)) {
            self.kill_worker(KillReason::Stuck);
        }
    }

    /// Why this host killed the worker, if it did.
    pub(crate) fn killed(&self) -> Option<KillReason> {
        self.killed
    }

    /// Ends the worker, whatever it does.
    pub(crate) fn kill_worker(&mut self, why: KillReason) {
        if let Some(connection) = &self.connection {
            self.killed = Some(why);
            connection.worker.kill();
        }
    }

    /// The worker is gone: every call is told, and the next epoch begins.
    pub(crate) fn disconnect(&mut self, death: &WorkerDeath) {
        let Some(connection) = self.connection.take() else { return };
        self.last_death = Some(death.clone());
        let epoch = self.epoch;
        self.epoch += 1;
        self.ended(self.sent_count);
        self.questions.clear();
        let killed = self.killed.take();
        let mut in_flight: Vec<_> =
            self.in_flight.iter_mut().enumerate().filter_map(|(n, f)| Some((n, f.take()?))).collect();
        in_flight.extend(self.nested.take());
        in_flight.sort_by_key(|(_, in_flight)| in_flight.call_id);
        for (slot, in_flight) in in_flight {
            let started = connection.slots.started(slot);
            in_flight.finish(
                |stopping| {
                    crate::session::call::CallResult::Problem(Box::new(match stopping {
                        Some(why) if started && killed == Some(KillReason::ForCall) => Problem {
                            death: Some(death.clone()),
                            started: Some(true),
                            ..stopped(why, Outcome::StateLost)
                        },
                        _ => lost(death, started, killed),
                    }))
                },
                epoch,
            );
        }
        for pending in self.waiting.drain(..) {
            pending.refuse(lost(death, false, killed), epoch);
        }
        self.idle_since = Some(Instant::now());
    }

    fn ended(&mut self, calls: usize) {
        self.sent_count -= calls;
        self.traffic.iter().for_each(|traffic| traffic.ended(calls));
    }

    /// Every waiting call fails with this problem: there is no worker to be had.
    pub(crate) fn fail_waiting(&mut self, problem: &Problem) {
        for pending in self.waiting.drain(..) {
            pending.refuse(problem.clone(), self.epoch);
        }
    }

    /// The calls of this name, each with a way to learn what becomes of it.
    pub(crate) fn watch(&mut self, name: &RequestId) -> Vec<Found> {
        let waiting =
            self.waiting.iter_mut().map(|call| (call.call_id, &call.request.name, call.grace, &mut call.ended));
        let nested = self.nested.iter_mut().map(|(_, in_flight)| in_flight);
        let in_flight = self.in_flight.iter_mut().flatten().chain(nested).filter(|call| call.reply.is_some());
        let in_flight = in_flight.map(|call| (call.call_id, &call.name, call.grace, &mut call.ended));
        let named = waiting.chain(in_flight).filter(|(_, called, ..)| called.as_ref() == Some(name));
        named
            .map(|(call_id, _, grace, watching)| {
                let (told, ended) = oneshot::channel();
                watching.push(told);
                Found { call_id, grace, ended }
            })
            .collect()
    }
}

/// The slot of a call, which is a part of its id.
fn place_of(id: u64) -> usize {
    (id % SLOTS as u64) as usize
}
