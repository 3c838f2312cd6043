//! The events of a session's calls, the requests of Python code to its clients, and what observers ask.
//!
//! Of the observers, `running` is the id that the shared page names as running.

use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Problem};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::session::call::{CallId, RequestId};
use crate::session::error::closing_error;
use crate::session::event::{ClientRequest, ClientRequestKind, Event};
use crate::session::limits::EffectiveLimits;
use crate::session::state::call_record::InFlightCall;
use crate::session::state::client_requests::{ClientReply, HostCallId};
use crate::session::state::effect::Effects;
use crate::session::state::lifecycle::Lifecycle;
use crate::session::state::reply_sink::ReplySink;
use crate::session::state::state::SessionState;
use crate::session::state::subscribers::{Subscriber, SubscriptionId};
use crate::worker::wire::WireId;

/// The call that runs, as far as its limits are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunningCall {
    pub(crate) call_id: CallId,
    pub(crate) grace: Duration,
    pub(crate) limits: EffectiveLimits,
}

impl SessionState {
    /// Gives output to the call that wrote it, else to the session's subscribers. Returns false where no call did that runs.
    pub(crate) fn record_output(&mut self, id: Option<WireId>, stderr: bool, bytes: &[u8]) -> bool {
        let Some(call) = id.and_then(|id| self.calls.get_mut(id)) else {
            self.subscribers.write(stderr, bytes, self.limits.output);
            return false;
        };
        match &call.reply {
            Some(ReplySink::Stream(sender, _)) => sender.channel.write(stderr, bytes, call.limits.output),
            _ => {
                let buffer = if stderr { &mut call.stderr } else { &mut call.stdout };
                buffer.push(bytes, call.limits.output);
            }
        }
        true
    }

    /// Emits an event of this call. Returns false where nobody takes its events.
    pub(crate) fn emit(&self, id: WireId, event: Event) -> bool {
        match self.calls.get(id).and_then(|call| call.reply.as_ref()) {
            Some(ReplySink::Stream(sender, _)) => sender.channel.emit(event),
            _ => false,
        }
    }

    /// Shows an object, or tells something, to the subscriber of this call; where that has ended, to those of the session. Returns
    /// false where nobody takes it.
    pub(crate) fn tell(&self, id: WireId, event: impl Fn() -> Event) -> bool {
        match self.calls.get(id) {
            Some(_) => self.emit(id, event()),
            None => self.subscribers.emit(event),
        }
    }

    /// Subscribes to what belongs to no call that runs.
    pub(crate) fn subscribe(&mut self, subscriber: Subscriber, session: &str) -> Result<SubscriptionId, Problem> {
        if matches!(self.lifecycle, Lifecycle::Closed) {
            return Err(self.problem_of_end().unwrap_or_else(closing_error));
        }
        self.subscribers.add(subscriber, session, self.stats.epoch)
    }

    /// Ends the subscriptions of this id. Returns false where there are none.
    pub(crate) fn end_subscriptions(&mut self, request_id: &RequestId) -> bool {
        let ended = self.subscribers.end_of(request_id, self.stats.epoch);
        self.client_requests.end_over(&ended);
        !ended.is_empty()
    }

    /// A subscriber of the session goes, and answers no callbacks any more.
    pub(crate) fn unsubscribe(&mut self, id: SubscriptionId) {
        self.subscribers.remove(id);
        self.client_requests.end_over(&[id]);
    }

    /// Sends a request to the client of this call. The receiver fails once the client will not answer any more.
    pub(crate) fn request_from_client(
        &mut self,
        id: WireId,
        kind: ClientRequestKind,
        body: Bytes,
        host_call: HostCallId,
    ) -> Result<oneshot::Receiver<ClientReply>, Problem> {
        let call = self.calls.get(id);
        if call.is_some_and(|call| call.stopping.is_some()) {
            return Err(Problem::new(
                ErrorCode::Cancelled,
                "the call has to stop, so its client is not asked any more",
            ));
        }
        let capabilities = call.and_then(InFlightCall::capabilities).unwrap_or_default();
        let capable = match kind {
            ClientRequestKind::Input => capabilities.stdin,
            ClientRequestKind::Callback => capabilities.callbacks,
        };
        if !capable {
            let detail = "the call that this code belongs to has ended, or its client accepts no such request";
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        }
        let (question, reply) = self.client_requests.open(id, None, host_call)?;
        if !self.emit(id, Event::ClientRequest(ClientRequest { id: question, kind, body })) {
            self.client_requests.end_of(id); // the client has gone
        }
        Ok(reply)
    }

    /// A debugger holds a thread of this call, or does not any more: meanwhile no deadline of it passes, nor of the calls within it.
    pub(crate) fn hold(&self, id: WireId, is_held: bool) {
        let calls = self.calls.get(id).into_iter().chain(self.nested.within(id));
        calls.filter_map(|call| call.watchdog.as_ref()).for_each(|watchdog| watchdog.held.set(is_held));
    }

    /// Answers a request of Python code.
    pub(crate) fn answer_client_request(&mut self, id: &str, reply: ClientReply) -> Result<(), Problem> {
        self.client_requests.answer(id, reply)
    }

    /// Python code does not wait any more for the result of this call from Python.
    pub(crate) fn withdraw_client_request(&mut self, host_call: u64) {
        self.client_requests.withdraw(host_call);
    }

    /// The subscriber of this call goes: the call's client requests get no reply, and a stream does not go on after it.
    pub(crate) fn detach_subscriber(&mut self, call_id: CallId, now: Instant, effects: &mut Effects) {
        let id = self.calls.in_flight().find(|(_, call)| call.call_id == call_id).map(|(_, call)| call.id);
        if let Some(id) = id {
            self.client_requests.end_of(id);
        }
        if self.paused.leave(call_id) {
            self.note_idle(now, effects);
        }
    }
}

impl SessionState {
    /// For how long no call has been in progress; `None` while one is.
    pub(crate) fn idle_for(&self, now: Instant) -> Option<Duration> {
        (self.calls_in_progress() == 0).then(|| now.saturating_duration_since(self.stats.idle_since))
    }

    /// For how long the running call has run: since it was sent, or the one before it had ended.
    pub(crate) fn running_for(&self, running: WireId, now: Instant) -> Option<Duration> {
        let sent_at = self.calls.get(running)?.sent_at;
        Some(now.saturating_duration_since(self.began_at(sent_at)))
    }

    /// When the call began that was sent then, and is the next to end.
    pub(super) fn began_at(&self, sent_at: Instant) -> Instant {
        self.stats.last_call_ended_at.map_or(sent_at, |ended_at| ended_at.max(sent_at))
    }

    /// The call that runs.
    pub(crate) fn running_call(&self, running: WireId) -> Option<RunningCall> {
        let call = self.calls.get(running)?;
        Some(RunningCall { call_id: call.call_id, grace: call.grace, limits: call.limits })
    }

    /// Whether a call has no answer.
    pub(crate) fn has_calls(&self) -> bool {
        self.calls.len() > 0
    }

    /// Whether a call has limits that only sampling shows to be exceeded.
    pub(crate) fn needs_polling(&self) -> bool {
        self.calls.needs_polling()
    }
}
