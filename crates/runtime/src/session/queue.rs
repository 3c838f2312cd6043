//! The calls of a session: those that wait here, and those that were sent ahead to its worker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Outcome, Problem, ValueForm, WorkerDeath};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::cancel::Found;
use super::caps::{Caps, Terms, is_looked_at};
use super::events::{Event, Feeder, Question, Wants};
use super::following::{Resting, closing_of, cut_short};
use super::nested::NestedCalls;
use super::questions::{Questions, Told, Way};
use super::session::closing;
use super::traffic::Traffic;
use super::unanswered::{Killed, lost, stopped};
use super::under_way::{Flying, Pending, ReplyTo, tell};
use super::{RequestId, Reply, SessionLimits};
use crate::worker::{Body, Outbox, SLOTS, Slots, Worker, encode_frames, flag, kind};

/// A worker that takes calls.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) worker: Arc<Worker>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) slots: Arc<Slots>,
}

/// Where a call stands when it is to be stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It has its answer: there is nothing to stop any more.
    Answered,
    /// It will not start any more, and its caller knows; but the worker has not passed it by yet.
    NotStarted,
    /// It runs: it is marked, and stops when its worker is interrupted.
    Running,
}

/// The calls of one session.
#[derive(Debug, Default)]
pub(super) struct Queue {
    last_ticket: u64,
    last_sequence: u64,
    waiting: VecDeque<Pending>,
    flying: [Option<Flying>; SLOTS],
    in_flight: usize,
    connection: Option<Connection>,
    killed: Option<Killed>,
    pub(super) epoch: u64,
    /// What a call may take that does not say so itself.
    caps: Caps,
    /// When a call ended last.
    turned: Option<Instant>,
    /// Since when no call is under way, though there is a worker for it.
    idle_since: Option<Instant>,
    /// How its last worker ended.
    last_death: Option<WorkerDeath>,
    questions: Questions,
    resting: Resting,
    nested: NestedCalls,
    traffic: Option<Arc<Traffic>>,
}

impl Queue {
    pub(super) fn new(limits: &SessionLimits, traffic: Option<Arc<Traffic>>) -> Queue {
        Queue { epoch: 1, caps: Caps::of(limits), idle_since: Some(Instant::now()), traffic, ..Queue::default() }
    }

    pub(super) fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// How many calls have no answer yet.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.in_flight
    }

    pub(super) fn push(&mut self, pending: Pending) {
        self.waiting.push_back(pending);
        self.send_ahead();
    }

    /// From now on calls go to this worker.
    pub(super) fn connect(&mut self, connection: Connection) {
        let terms = Terms { result_bytes: self.caps.result, ..Terms::default() };
        if let Some(terms) = terms.written() {
            connection.outbox.put(|out| encode_frames(out, kind::TERMS, 0, 0, &terms));
        }
        self.connection = Some(connection);
        self.idle_since = Some(Instant::now());
        self.send_ahead();
    }

    fn send_ahead(&mut self) {
        let Some(connection) = &self.connection else { return };
        while self.in_flight < SLOTS {
            let Some(pending) = self.waiting.pop_front() else { return };
            let Some(slot) = self.flying.iter().position(Option::is_none) else { return };
            connection.slots.clear(slot);
            self.last_sequence += 1;
            let id = self.last_sequence * SLOTS as u64 + slot as u64;
            let mut flags = if pending.request.form == ValueForm::Exact { flag::EXACT } else { 0 };
            flags |= pending.reply.flags();
            if self.in_flight > 0 {
                flags |= flag::FOLLOWS;
            }
            let request = &pending.request;
            let has_terms = request.limits.is_some() || request.lease.is_some();
            let terms = has_terms.then(|| Terms::of(request).written()).flatten();
            connection.outbox.put(|out| {
                if let Some(terms) = &terms {
                    encode_frames(out, kind::TERMS, 0, id, terms);
                }
                encode_frames(out, request.operation.number(), flags, id, &request.body);
            });
            self.in_flight += 1;
            self.traffic.iter().for_each(|traffic| traffic.sent());
            self.flying[slot] = Some(pending.sent(id, self.caps));
        }
    }

    /// The slots of the worker, in which it notes the call that runs.
    pub(super) fn slots(&self) -> Option<Arc<Slots>> {
        self.connection.as_ref().map(|connection| connection.slots.clone())
    }

    /// Gives output to the call that ran when it was written. False where none did: the session was idle.
    pub(super) fn take_output(&mut self, id: u64, stderr: bool, bytes: &[u8]) -> bool {
        let entry = &mut self.flying[place_of(id)];
        let Some(flying) = entry.as_mut().filter(|flying| flying.id == id) else { return false };
        match &flying.reply {
            Some(ReplyTo::Follower(feeder, _)) => feeder.feed.write(stderr, bytes, flying.caps.output),
            _ => {
                let capture = if stderr { &mut flying.stderr } else { &mut flying.stdout };
                capture.push(bytes, flying.caps.output);
            }
        }
        true
    }

    /// The call of this id, while it has no answer.
    fn sent(&self, id: u64) -> Option<&Flying> {
        self.flying[place_of(id)].as_ref().filter(|flying| flying.id == id)
    }

    /// The call that the worker carries out now.
    fn current(&self) -> Option<&Flying> {
        self.sent(self.connection.as_ref()?.slots.running())
    }

    /// Tells whoever follows this call; false where nobody does.
    pub(super) fn tell(&mut self, id: u64, event: Event) -> bool {
        match self.sent(id).and_then(|flying| flying.reply.as_ref()) {
            Some(ReplyTo::Follower(feeder, _)) => feeder.feed.tell(event),
            _ => false,
        }
    }

    /// Tells whoever follows the call that runs.
    pub(super) fn tell_running(&mut self, event: Event) -> bool {
        self.current().map(|flying| flying.id).is_some_and(|id| self.tell(id, event))
    }

    /// Asks the client of the call that runs. The receiver fails where it will not answer any more.
    pub(super) fn ask(
        &mut self,
        wants: Wants,
        body: Bytes,
        way: Option<Way>,
    ) -> Result<oneshot::Receiver<Told>, Problem> {
        let asked = self.current().and_then(|flying| match &flying.reply {
            Some(ReplyTo::Follower(_, offers)) => {
                let offered = if wants == Wants::Input { offers.stdin } else { offers.callbacks };
                offered.then_some(flying.id)
            }
            _ => None,
        });
        let Some(id) = asked else {
            let detail = "no call is under way whose client could be asked";
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        };
        let (question, answer) = self.questions.open(id, way)?;
        if !self.tell(id, Event::Question(Question { id: question, wants, body })) {
            self.questions.end_of(id); // the client is gone
        }
        Ok(answer)
    }

    /// Sends a call to the thread that waits for the answer to this question, which carries it out.
    pub(super) fn nest(&mut self, question: &str, pending: Pending) -> Result<(), Problem> {
        let (way, around) = self.questions.way(question)?;
        let Some(connection) = &self.connection else { return Err(closing()) };
        self.nested.send(pending, way, around, self.caps, &connection.slots).map_err(|_| {
            let detail = format!("{SLOTS} calls within callbacks of this session have no answer yet");
            Problem::new(ErrorCode::QueueFull, detail)
        })
    }

    /// Ends a call that was carried out so; the answer is read by the function.
    pub(super) fn complete_nested(
        &mut self,
        answer: Body,
        read: impl FnOnce(&Caps, u8, Body, Option<ErrorCode>) -> super::Answer,
    ) {
        if let Some((flying, kind, body)) = self.nested.answered(answer) {
            let caps = flying.caps;
            flying.finish(|stopping| read(&caps, kind, body, stopping), self.epoch);
        }
    }

    /// The questions that wait for a client's answer.
    pub(super) fn questions(&mut self) -> &mut Questions {
        &mut self.questions
    }

    /// The streams between two rounds.
    pub(super) fn resting(&mut self) -> &mut Resting {
        &mut self.resting
    }

    /// Nobody follows this call any more: what it asked gets no answer.
    pub(super) fn leave(&mut self, ticket: u64) {
        if let Some(id) = self.flying.iter().flatten().find(|flying| flying.ticket == ticket).map(|flying| flying.id) {
            self.questions.end_of(id);
        }
    }

    /// Ends a call: with the function's answer, unless its caller was told already.
    pub(super) fn complete(&mut self, id: u64, answer: impl FnOnce(Option<ErrorCode>, &Caps) -> super::Answer) {
        let Some(flying) = self.flying[place_of(id)].take_if(|flying| flying.id == id) else {
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
        let caps = flying.caps;
        let answer = |stopping| answer(stopping, &caps);
        let Some(ReplyTo::Follower(Feeder { feed, round: Some(_), .. }, _)) = &flying.reply else {
            return flying.finish(answer, self.epoch);
        };
        let mut answer = answer(flying.stopping);
        match (flying.stopping, &flying.name) {
            // The stop came as the round ended: then it ends the stream.
            (Some(why), _) => {
                if let Some(handle_id) = cut_short(&mut answer, why) {
                    let (request, grace) = (closing_of(&handle_id), flying.grace);
                    let (reply, ticket) = (ReplyTo::Caller(oneshot::channel().0), self.next_ticket());
                    self.push(Pending { ticket, request, grace, reply, watchdog: None, ended: Vec::new() });
                }
            }
            (None, Some(name)) => self.resting.add(name.clone(), feed),
            (None, None) => {}
        }
        flying.finish(|_| answer, self.epoch);
    }

    /// Keeps a call from starting, or marks the one that runs as to be stopped.
    pub(super) fn stop(&mut self, ticket: u64, why: ErrorCode) -> Stopped {
        if let Some(at) = self.waiting.iter().position(|pending| pending.ticket == ticket) {
            if let Some(pending) = self.waiting.remove(at) {
                pending.refuse(stopped(why, Outcome::NotStarted), self.epoch);
            }
            return Stopped::Answered;
        }
        let Some(connection) = &self.connection else { return Stopped::Answered };
        let flying = self.flying.iter_mut().enumerate().filter_map(|(slot, entry)| Some((slot, entry.as_mut()?)));
        let mut all = flying.chain(self.nested.iter_mut());
        let Some((slot, flying)) = all.find(|(_, flying)| flying.ticket == ticket) else { return Stopped::Answered };
        connection.slots.cancel(slot);
        flying.stopping.get_or_insert(why);
        if connection.slots.started(slot) {
            return Stopped::Running;
        }
        // It cannot start any more. The slot stays taken until the worker has passed it by.
        if let Some(reply) = flying.reply.take() {
            tell(&mut flying.ended, reply.unless_begun());
            reply.send(Reply::problem(stopped(why, Outcome::NotStarted), self.epoch));
        }
        Stopped::NotStarted
    }

    /// For how long no call has been under way.
    pub(super) fn idle(&self) -> Option<Duration> {
        self.idle_since.filter(|_| self.len() == 0).map(|since| since.elapsed())
    }

    /// How its last worker ended.
    pub(super) fn last_death(&self) -> Option<WorkerDeath> {
        self.last_death.clone()
    }

    /// Whether a call is under way, or waits, that has to be looked at while it runs.
    pub(super) fn is_looked_at(&self) -> bool {
        self.flying.iter().flatten().any(|flying| flying.is_looked_at)
            || self.waiting.iter().any(|pending| is_looked_at(&pending.request))
    }

    /// The worker, while there is one, and what is shared with it.
    pub(super) fn worker(&self) -> Option<(Arc<Worker>, Arc<Slots>)> {
        self.connection.as_ref().map(|connection| (connection.worker.clone(), connection.slots.clone()))
    }

    /// For how long the call that runs has been running: since it was sent, or the one before it had ended.
    pub(super) fn running_for(&self) -> Option<Duration> {
        let flying = self.current()?;
        let began = self.turned.map_or(flying.sent, |turned| turned.max(flying.sent));
        Some(began.elapsed())
    }

    /// The call that runs: its ticket, its grace, and what it may take.
    pub(super) fn running(&self) -> Option<(u64, Duration, Caps)> {
        self.current().map(|flying| (flying.ticket, flying.grace, flying.caps))
    }

    /// Interrupts the call that runs, if it is marked.
    pub(super) fn interrupt(&self) {
        if let Some(connection) = &self.connection {
            connection.worker.interrupt();
        }
    }

    /// Ends the worker of a call that could not be interrupted.
    pub(super) fn kill(&mut self, ticket: u64) {
        let nested = self.nested.iter_mut().map(|(_, flying)| flying);
        if self.flying.iter_mut().flatten().chain(nested).any(|flying| flying.ticket == ticket) {
            self.kill_worker(Killed::ForCall);
        }
    }

    /// Ends a worker that has not even passed this call by, though none of its calls runs: nothing else would end it.
    pub(super) fn kill_if_stuck(&mut self, ticket: u64) {
        let Some(connection) = &self.connection else { return };
        let mut flying = self.flying.iter().enumerate().filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)));
        let waits = flying.clone().any(|(_, flying)| flying.ticket == ticket);
        if waits && !flying.any(|(slot, _)| connection.slots.started(slot)) {
            self.kill_worker(Killed::Stuck);
        }
    }

    /// Why this host killed the worker, if it did.
    pub(super) fn killed(&self) -> Option<Killed> {
        self.killed
    }

    /// Ends the worker, whatever it does.
    pub(super) fn kill_worker(&mut self, why: Killed) {
        if let Some(connection) = &self.connection {
            self.killed = Some(why);
            connection.worker.kill();
        }
    }

    /// The worker is gone: every call is told, and the next epoch begins.
    pub(super) fn disconnect(&mut self, death: &WorkerDeath) {
        let Some(connection) = self.connection.take() else { return };
        self.last_death = Some(death.clone());
        let epoch = self.epoch;
        self.epoch += 1;
        self.ended(self.in_flight);
        self.questions.clear();
        let killed = self.killed.take();
        let mut flying: Vec<_> = self.flying.iter_mut().enumerate().filter_map(|(n, f)| Some((n, f.take()?))).collect();
        flying.extend(self.nested.take());
        flying.sort_by_key(|(_, flying)| flying.ticket);
        for (slot, flying) in flying {
            let started = connection.slots.started(slot);
            flying.finish(
                |stopping| {
                    super::Answer::Problem(Box::new(match stopping {
                        Some(why) if started && killed == Some(Killed::ForCall) => Problem {
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
        self.in_flight -= calls;
        self.traffic.iter().for_each(|traffic| traffic.ended(calls));
    }

    /// Every waiting call fails with this problem: there is no worker to be had.
    pub(super) fn fail_waiting(&mut self, problem: &Problem) {
        for pending in self.waiting.drain(..) {
            pending.refuse(problem.clone(), self.epoch);
        }
    }

    /// The calls of this name, each with a way to learn what becomes of it.
    pub(super) fn watch(&mut self, name: &RequestId) -> Vec<Found> {
        let waiting =
            self.waiting.iter_mut().map(|call| (call.ticket, &call.request.name, call.grace, &mut call.ended));
        let nested = self.nested.iter_mut().map(|(_, flying)| flying);
        let flying = self.flying.iter_mut().flatten().chain(nested).filter(|call| call.reply.is_some());
        let flying = flying.map(|call| (call.ticket, &call.name, call.grace, &mut call.ended));
        let named = waiting.chain(flying).filter(|(_, called, ..)| called.as_ref() == Some(name));
        named
            .map(|(ticket, _, grace, watching)| {
                let (told, ended) = oneshot::channel();
                watching.push(told);
                Found { ticket, grace, ended }
            })
            .collect()
    }
}

/// The slot of a call, which is a part of its id.
fn place_of(id: u64) -> usize {
    (id % SLOTS as u64) as usize
}
