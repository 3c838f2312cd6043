//! A call that has no answer yet: where it waits, and where its answer goes.

use std::time::{Duration, Instant};

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{Capabilities, ErrorCode, Problem};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::session::call::{CallResult, Request, RequestId, Response};
use crate::session::effective_limits::{EffectiveLimits, is_looked_at};
use crate::session::event_channel::{EventSender, Round};
use crate::session::manager::cancel::outcome_of;
use crate::session::output::Capture;
use crate::session::output::CapturedOutput;
use crate::worker::frame::flag;

/// A call that has no answer yet.
#[derive(Debug)]
pub(crate) struct QueuedCall {
    /// Its number in the session, in order of arrival.
    pub(crate) call_id: u64,
    pub(crate) request: Request,
    /// How long it may take to stop.
    pub(crate) grace: Duration,
    pub(crate) reply: ReplySink,
    /// The task that ends it when its time is over.
    pub(crate) watchdog: Option<AbortHandle>,
    /// Those who cancelled it and wait for what becomes of it.
    pub(crate) ended: Vec<oneshot::Sender<CancelOutcome>>,
}

/// Where a reply goes.
#[derive(Debug)]
pub(crate) enum ReplySink {
    /// To whoever waits for nothing else.
    Caller(oneshot::Sender<Response>),
    /// After all that happens before it.
    Follower(EventSender, Capabilities),
}

impl ReplySink {
    pub(crate) fn send(self, reply: Response) {
        match self {
            ReplySink::Caller(caller) => drop(caller.send(reply)),
            ReplySink::Follower(feeder, _) => feeder.feed.end(reply),
        }
    }

    /// What became of a call that will not start: of a stream, earlier rounds ran.
    pub(crate) fn unless_begun(&self) -> CancelOutcome {
        match self {
            ReplySink::Follower(EventSender { round: Some(Round::Further), .. }, _) => CancelOutcome::StateKept,
            _ => CancelOutcome::NotStarted,
        }
    }

    pub(crate) fn flags(&self) -> u8 {
        match self {
            ReplySink::Caller(_) => 0,
            ReplySink::Follower(_, capabilities) => {
                let stdin = if capabilities.stdin { flag::STDIN } else { 0 };
                let callbacks = if capabilities.callbacks { flag::CALLBACKS } else { 0 };
                flag::EVENTS | stdin | callbacks
            }
        }
    }
}

/// A call that was sent to the worker.
#[derive(Debug)]
pub(crate) struct InFlightCall {
    pub(crate) id: u64,
    pub(crate) call_id: u64,
    pub(crate) name: Option<RequestId>,
    pub(crate) grace: Duration,
    /// What it may take.
    pub(crate) caps: EffectiveLimits,
    /// Whether that has to be looked at while it runs.
    pub(crate) is_looked_at: bool,
    pub(crate) ended: Vec<oneshot::Sender<CancelOutcome>>,
    pub(crate) sent: Instant,
    /// Gone once the caller was told that the call will not start.
    pub(crate) reply: Option<ReplySink>,
    pub(crate) watchdog: Option<AbortHandle>,
    pub(crate) stopping: Option<ErrorCode>,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
}

/// Tells those who cancelled a call what became of it.
pub(crate) fn tell(watching: &mut Vec<oneshot::Sender<CancelOutcome>>, outcome: CancelOutcome) {
    for told in watching.drain(..) {
        let _ = told.send(outcome);
    }
}

impl QueuedCall {
    /// From now on its answer comes from the worker. It has this id; `caps` are those of its session.
    pub(crate) fn sent(self, id: u64, caps: EffectiveLimits) -> InFlightCall {
        let QueuedCall { call_id, request, grace, reply, watchdog, ended } = self;
        InFlightCall {
            id,
            call_id,
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
    pub(crate) fn refuse(mut self, problem: Problem, epoch: u64) {
        if let Some(watchdog) = self.watchdog {
            watchdog.abort();
        }
        tell(&mut self.ended, self.reply.unless_begun());
        self.reply.send(Response::problem(problem, epoch));
    }
}

impl InFlightCall {
    pub(crate) fn finish(mut self, answer: impl FnOnce(Option<ErrorCode>) -> CallResult, epoch: u64) {
        if let Some(watchdog) = self.watchdog {
            watchdog.abort();
        }
        if let Some(reply) = self.reply {
            let output = CapturedOutput { stdout: self.stdout.into_text(), stderr: self.stderr.into_text() };
            let result = answer(self.stopping);
            if !self.ended.is_empty() {
                tell(&mut self.ended, outcome_of(&result));
            }
            reply.send(Response { result, output, epoch });
        }
    }
}
