//! A call that has no answer yet: where it waits, and where its answer goes.

use std::time::{Duration, Instant};

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{ErrorCode, Offers, Problem};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::cancel::outcome_of;
use super::caps::{Caps, is_looked_at};
use super::capture::Capture;
use super::events::{Feeder, Round};
use super::{Answer, RequestId, CapturedOutput, Reply, Request};
use crate::worker::flag;

/// A call that has no answer yet.
#[derive(Debug)]
pub(super) struct Pending {
    /// Its number in the session, in order of arrival.
    pub(super) ticket: u64,
    pub(super) request: Request,
    /// How long it may take to stop.
    pub(super) grace: Duration,
    pub(super) reply: ReplyTo,
    /// The task that ends it when its time is over.
    pub(super) watchdog: Option<AbortHandle>,
    /// Those who cancelled it and wait for what becomes of it.
    pub(super) ended: Vec<oneshot::Sender<CancelOutcome>>,
}

/// Where a reply goes.
#[derive(Debug)]
pub(super) enum ReplyTo {
    /// To whoever waits for nothing else.
    Caller(oneshot::Sender<Reply>),
    /// After all that happens before it.
    Follower(Feeder, Offers),
}

impl ReplyTo {
    pub(super) fn send(self, reply: Reply) {
        match self {
            ReplyTo::Caller(caller) => drop(caller.send(reply)),
            ReplyTo::Follower(feeder, _) => feeder.feed.end(reply),
        }
    }

    /// What became of a call that will not start: of a stream, earlier rounds ran.
    pub(super) fn unless_begun(&self) -> CancelOutcome {
        match self {
            ReplyTo::Follower(Feeder { round: Some(Round::Further), .. }, _) => CancelOutcome::StateKept,
            _ => CancelOutcome::NotStarted,
        }
    }

    pub(super) fn flags(&self) -> u8 {
        match self {
            ReplyTo::Caller(_) => 0,
            ReplyTo::Follower(_, offers) => {
                let stdin = if offers.stdin { flag::STDIN } else { 0 };
                let callbacks = if offers.callbacks { flag::CALLBACKS } else { 0 };
                flag::EVENTS | stdin | callbacks
            }
        }
    }
}

/// A call that was sent to the worker.
#[derive(Debug)]
pub(super) struct Flying {
    pub(super) id: u64,
    pub(super) ticket: u64,
    pub(super) name: Option<RequestId>,
    pub(super) grace: Duration,
    /// What it may take.
    pub(super) caps: Caps,
    /// Whether that has to be looked at while it runs.
    pub(super) is_looked_at: bool,
    pub(super) ended: Vec<oneshot::Sender<CancelOutcome>>,
    pub(super) sent: Instant,
    /// Gone once the caller was told that the call will not start.
    pub(super) reply: Option<ReplyTo>,
    pub(super) watchdog: Option<AbortHandle>,
    pub(super) stopping: Option<ErrorCode>,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
}

/// Tells those who cancelled a call what became of it.
pub(super) fn tell(watching: &mut Vec<oneshot::Sender<CancelOutcome>>, outcome: CancelOutcome) {
    for told in watching.drain(..) {
        let _ = told.send(outcome);
    }
}

impl Pending {
    /// From now on its answer comes from the worker. It has this id; `caps` are those of its session.
    pub(super) fn sent(self, id: u64, caps: Caps) -> Flying {
        let Pending { ticket, request, grace, reply, watchdog, ended } = self;
        Flying {
            id,
            ticket,
            caps: caps.but(request.limits.as_deref()),
            is_looked_at: is_looked_at(&request),
            name: request.name,
            grace,
            ended,
            sent: Instant::now(),
            reply: Some(reply),
            watchdog,
            stopping: None,
            stdout: Capture::default(),
            stderr: Capture::default(),
        }
    }

    /// Ends it before it was sent to a worker.
    pub(super) fn refuse(mut self, problem: Problem, epoch: u64) {
        if let Some(watchdog) = self.watchdog {
            watchdog.abort();
        }
        tell(&mut self.ended, self.reply.unless_begun());
        self.reply.send(Reply::problem(problem, epoch));
    }
}

impl Flying {
    pub(super) fn finish(mut self, answer: impl FnOnce(Option<ErrorCode>) -> Answer, epoch: u64) {
        if let Some(watchdog) = self.watchdog {
            watchdog.abort();
        }
        if let Some(reply) = self.reply {
            let captured = CapturedOutput { stdout: self.stdout.into_text(), stderr: self.stderr.into_text() };
            let answer = answer(self.stopping);
            if !self.ended.is_empty() {
                tell(&mut self.ended, outcome_of(&answer));
            }
            reply.send(Reply { answer, captured, epoch });
        }
    }
}
