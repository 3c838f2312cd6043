//! The call that a session runs, and those behind it, for clients that know none of their ids.
//!
//! `running` is the id that the shared page names as running.

use std::time::{Duration, Instant};

use beep_python_protocol::{CallInfo, ErrorCode, Operation};
use tokio::sync::oneshot;

use crate::session::call::{CallId, RequestId};
use crate::session::state::call_record::{CancelTarget, InFlightCall};
use crate::session::state::reply_sink::ReplySink;
use crate::session::state::state::SessionState;
use crate::worker::wire::WireId;

impl SessionState {
    /// The running call. Where none has started, it is the one whose turn is next: its client takes it for running.
    pub(crate) fn current_call(&self, running: WireId) -> Option<CallId> {
        let running = self.calls.get(running).filter(|call| is_of_client(call.reply.as_ref()));
        let sent = self.calls.in_flight().map(|(_, call)| call).filter(|call| is_of_client(call.reply.as_ref()));
        let sent = running.map(|call| call.call_id).or_else(|| sent.map(|call| call.call_id).min());
        sent.or_else(|| self.calls.queued().find(|call| is_of_client(Some(&call.reply))).map(|call| call.call_id))
    }

    /// The running call, with a way to learn what becomes of it; it stops from now on.
    pub(crate) fn subscribe_current(&mut self, running: WireId) -> Option<CancelTarget> {
        let current = self.current_call(running)?;
        let (waiter, outcome) = oneshot::channel();
        if let Some((_, call)) = self.calls.in_flight_mut().find(|(_, call)| call.call_id == current) {
            call.stopping.get_or_insert(ErrorCode::Cancelled);
            call.cancel_waiters.push(waiter);
            return Some(CancelTarget { call_id: current, grace: call.grace, outcome });
        }
        let call = self.calls.queued_mut().find(|call| call.call_id == current)?;
        call.cancel_waiters.push(waiter);
        Some(CancelTarget { call_id: current, grace: call.grace, outcome })
    }

    /// The other calls of clients that have no response, in the order of their turns, each with its grace.
    pub(crate) fn calls_behind(&mut self, running: CallId) -> Vec<(CallId, Duration)> {
        let in_flight = self.calls.in_flight().filter(|(_, call)| is_of_client(call.reply.as_ref()));
        let mut behind: Vec<_> = in_flight.map(|(_, call)| (call.call_id, call.grace)).collect();
        let queued = self.calls.queued_mut().filter(|call| is_of_client(Some(&call.reply)));
        behind.extend(queued.map(|call| (call.call_id, call.grace)));
        behind.retain(|(call_id, _)| *call_id != running);
        behind.sort();
        behind
    }

    /// The running call, and the first `max` of those that wait.
    pub(crate) fn describe_calls(
        &self,
        running: WireId,
        max: usize,
        now: Instant,
    ) -> (Option<CallInfo>, Vec<CallInfo>) {
        let describe =
            |call_id: CallId, request_id: Option<&RequestId>, operation: Operation, since: Instant| CallInfo {
                call_id: call_id.0,
                request_id: request_id.and_then(RequestId::of_host),
                operation: operation.pipe_command().to_owned(),
                age_ms: now.saturating_duration_since(since).as_millis() as u64,
            };
        let in_flight =
            |call: &InFlightCall| describe(call.call_id, call.request_id.as_ref(), call.operation, call.arrived_at);
        let current = self.calls.get(running).filter(|call| is_of_client(call.reply.as_ref()));
        let waits = |call: &&InFlightCall| call.id != running && is_of_client(call.reply.as_ref());
        let mut waiting: Vec<_> = self.calls.in_flight().map(|(_, call)| call).filter(waits).map(in_flight).collect();
        waiting.sort_by_key(|call| call.call_id);
        let queued = self.calls.queued().filter(|call| is_of_client(Some(&call.reply)));
        waiting.extend(queued.take(max).map(|call| {
            describe(call.call_id, call.request.request_id.as_ref(), call.request.operation, call.arrived_at)
        }));
        waiting.truncate(max);
        (current.map(in_flight), waiting)
    }
}

/// Whether a client waits for the response; not for a call of the session's own, or one that has its response.
fn is_of_client(reply: Option<&ReplySink>) -> bool {
    reply.is_some_and(ReplySink::is_of_client)
}
