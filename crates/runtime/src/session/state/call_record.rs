//! The record of a call without a response: queued here, then in flight to the worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{Capabilities, ErrorCode, Frame, Operation, Outcome, Problem, PythonException};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::session::call::{CallId, CallResult, Payload, Request, RequestId, Response};
use crate::session::crash_report;
use crate::session::error::{cancelled_error, late_result};
use crate::session::held_time::HeldTime;
use crate::session::limits::{EffectiveLimits, needs_polling, request_limits};
use crate::session::output::{CaptureBuffer, CapturedOutput};
use crate::session::state::effect::{Effect, Effects};
use crate::session::state::reply_sink::ReplySink;
use crate::worker::chunks::Chunks;
use crate::worker::wire::{WireId, WireRequest, WorkerAnswer};

/// The task that stops a call when its deadline passes. It ends with the call's record.
#[derive(Debug)]
pub(crate) struct Watchdog {
    pub(crate) task: AbortHandle,
    pub(crate) held: Arc<HeldTime>,
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A call to cancel.
#[derive(Debug)]
pub(crate) struct CancelTarget {
    pub(crate) call_id: CallId,
    /// Its own grace.
    pub(crate) grace: Duration,
    /// What became of it, once it has ended.
    pub(crate) outcome: oneshot::Receiver<CancelOutcome>,
}

/// The clients that cancelled a call and wait for what becomes of it.
pub(crate) type CancelWaiters = Vec<oneshot::Sender<CancelOutcome>>;

/// Tells them.
pub(crate) fn report_cancel(waiters: &mut CancelWaiters, outcome: CancelOutcome, effects: &mut Effects) {
    effects.extend(waiters.drain(..).map(|waiter| Effect::ReportCancel(waiter, outcome)));
}

/// A call that waits for its turn.
#[derive(Debug)]
pub(crate) struct QueuedCall {
    pub(crate) call_id: CallId,
    pub(crate) arrived_at: Instant,
    pub(crate) request: Request,
    /// How long it may take to stop.
    pub(crate) grace: Duration,
    pub(crate) reply: ReplySink,
    pub(crate) watchdog: Option<Watchdog>,
    pub(crate) cancel_waiters: CancelWaiters,
}

impl QueuedCall {
    /// Sends the call under this id: the request, and the record of the call in flight. `session` has the limits of every
    /// call of the session.
    pub(crate) fn sent(self, id: WireId, session: EffectiveLimits, now: Instant) -> (WireRequest, InFlightCall) {
        let QueuedCall { call_id, arrived_at, request, grace, reply, watchdog, cancel_waiters } = self;
        let capabilities = reply.capabilities();
        let in_flight = InFlightCall {
            id,
            call_id,
            operation: request.operation,
            arrived_at,
            limits: session.tightened_by(request.limits.as_deref()),
            needs_polling: needs_polling(&request),
            request_id: request.request_id.clone(),
            grace,
            interrupted: false,
            stopping: (!cancel_waiters.is_empty()).then_some(ErrorCode::Cancelled),
            cancel_waiters,
            sent_at: now,
            reply: Some(reply),
            watchdog,
            killed_at: Vec::new(),
            stdout: CaptureBuffer::default(),
            stderr: CaptureBuffer::default(),
        };
        let limits = request_limits(&request, capabilities);
        let Request { operation, form, payload: Payload { body, data, takes }, .. } = request;
        (WireRequest { id, operation, form, limits, body, data, takes, lends: false }, in_flight)
    }

    /// Ends the call before it was sent.
    pub(crate) fn reject(mut self, problem: Problem, epoch: u64, effects: &mut Effects) {
        report_cancel(&mut self.cancel_waiters, self.reply.outcome_if_not_started(), effects);
        effects.push(Effect::Reply(self.reply, Response::problem(problem, epoch)));
    }
}

/// A call that was sent to the worker and has no answer of it.
#[derive(Debug)]
pub(crate) struct InFlightCall {
    pub(crate) id: WireId,
    pub(crate) call_id: CallId,
    pub(crate) operation: Operation,
    pub(crate) arrived_at: Instant,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) grace: Duration,
    pub(crate) limits: EffectiveLimits,
    /// Whether only sampling shows that its limits are exceeded.
    pub(crate) needs_polling: bool,
    pub(crate) cancel_waiters: CancelWaiters,
    pub(crate) sent_at: Instant,
    /// Gone once the caller knows that the call will not start.
    pub(crate) reply: Option<ReplySink>,
    pub(crate) watchdog: Option<Watchdog>,
    /// Why it has to stop.
    pub(crate) stopping: Option<ErrorCode>,
    /// Where it was when its worker was killed, as far as that is known.
    pub(crate) killed_at: Vec<Frame>,
    /// Whether it was interrupted for that.
    pub(crate) interrupted: bool,
    pub(crate) stdout: CaptureBuffer,
    pub(crate) stderr: CaptureBuffer,
}

impl InFlightCall {
    /// The capabilities of the client that takes its events.
    pub(crate) fn capabilities(&self) -> Option<Capabilities> {
        self.reply.as_ref().and_then(ReplySink::capabilities)
    }

    /// What the worker's answer means for this call.
    pub(crate) fn result(&self, answer: WorkerAnswer) -> CallResult {
        match answer {
            WorkerAnswer::Value(body) => self.bounded(body, CallResult::Value),
            WorkerAnswer::Floats(body) => self.bounded(body, CallResult::Floats),
            WorkerAnswer::FloatRows(body) => self.bounded(body, CallResult::FloatRows),
            WorkerAnswer::Datum(datum) => match *datum {
                Ok(datum) => CallResult::Datum(Box::new(datum)),
                Err(problem) => problem.into(),
            },
            WorkerAnswer::Data { .. } => {
                let detail = "the memory of the worker's answer was not taken from the data link";
                Problem::new(ErrorCode::Internal, detail).into()
            }
            WorkerAnswer::Handle(body) => CallResult::Handle(body),
            WorkerAnswer::Object(body) => CallResult::Object(body),
            WorkerAnswer::Exception(body) => CallResult::Exception(body),
            WorkerAnswer::Rejected(body) => rejection(&body.contiguous()).into(),
            WorkerAnswer::Cancelled { told } => {
                let outcome = if told.is_empty() { Outcome::NotStarted } else { Outcome::StateKept };
                let problem = cancelled_error(self.stopping.unwrap_or(ErrorCode::Cancelled), outcome);
                let Ended { exception, results } = serde_json::from_slice(&told).unwrap_or_default();
                Problem { exception, results, ..problem }.into()
            }
            WorkerAnswer::Late { answer, at } => match (self.stopping, self.result(*answer)) {
                (Some(why), result) => late_result(why, result, serde_json::from_slice(&at).unwrap_or_default()),
                (None, result) => result, // its caller takes the answer as it is
            },
            WorkerAnswer::Unknown(kind) => {
                let detail = format!("the worker sent an answer of the unknown kind {kind}");
                Problem::new(ErrorCode::Internal, detail).into()
            }
        }
    }

    /// The result, unless it is larger than the call may send.
    fn bounded(&self, body: Chunks, result: impl FnOnce(Chunks) -> CallResult) -> CallResult {
        let Some(max) = self.limits.result.filter(|&max| body.len() as u64 > max) else { return result(body) };
        let detail = format!("the result has {} bytes, more than the {max} that this call may send", body.len());
        Problem::new(ErrorCode::ResultTooLarge, detail).into()
    }

    /// Ends the call.
    pub(crate) fn finish(mut self, result: CallResult, epoch: u64, effects: &mut Effects) {
        let Some(reply) = self.reply.take() else { return };
        let mut output = CapturedOutput::of(self.stdout, self.stderr);
        if let CallResult::Problem(problem) = &result
            && problem.death.as_ref().is_some_and(|death| death.fault.is_some())
        {
            crash_report::cut(&mut output.stderr);
        }
        if !self.cancel_waiters.is_empty() {
            report_cancel(&mut self.cancel_waiters, result.cancel_outcome(), effects);
        }
        effects.push(Effect::Reply(reply, Response { result, output, epoch }));
    }
}

/// What ended a call that was interrupted.
#[derive(Default, Deserialize)]
struct Ended {
    exception: Option<Box<PythonException>>,
    results: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Rejection {
    code: ErrorCode,
    detail: String,
    #[serde(default)]
    ran: bool,
}

fn rejection(body: &[u8]) -> Problem {
    match serde_json::from_slice::<Rejection>(body) {
        Ok(Rejection { code, detail, ran }) => Problem { ran, ..Problem::new(code, detail) },
        Err(error) => Problem::new(ErrorCode::Internal, format!("the worker's rejection cannot be read: {error}")),
    }
}
