//! The events of a session's calls, the requests of Python code to its clients, and what observers ask.
//!
//! `running` is the id that the shared page names as running.

use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Problem};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::session::event::{ClientRequest, ClientRequestKind, Event};
use crate::session::limits::EffectiveLimits;
use crate::session::state::call_record::{CallId, InFlightCall};
use crate::session::state::client_requests::ClientReply;
use crate::session::state::reply_sink::ReplySink;
use crate::session::state::state::SessionState;
use crate::worker::wire::WireId;

/// The call that runs, as far as its limits are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunningCall {
    pub(crate) call_id: CallId,
    pub(crate) grace: Duration,
    pub(crate) limits: EffectiveLimits,
}

impl SessionState {
    /// Gives output to the call that wrote it. Returns false where none did: the session was idle.
    pub(crate) fn record_output(&mut self, running: WireId, stderr: bool, bytes: &[u8]) -> bool {
        let Some(call) = self.calls.get_mut(running) else { return false };
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

    /// Sends a request to the client of the running call. The receiver fails once the client will not answer any more.
    /// `host_call` is the call from Python whose thread takes nested calls meanwhile.
    pub(crate) fn request_from_client(
        &mut self,
        running: WireId,
        kind: ClientRequestKind,
        body: Bytes,
        host_call: Option<u64>,
    ) -> Result<oneshot::Receiver<ClientReply>, Problem> {
        let capabilities = self.calls.get(running).and_then(InFlightCall::capabilities).unwrap_or_default();
        let capable = match kind {
            ClientRequestKind::Input => capabilities.stdin,
            ClientRequestKind::Callback => capabilities.callbacks,
        };
        if !capable {
            let detail = "no running call accepts input or callback requests";
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        }
        let (id, reply) = self.client_requests.open(running, host_call)?;
        if !self.emit(running, Event::ClientRequest(ClientRequest { id, kind, body })) {
            self.client_requests.end_of(running); // the client has gone
        }
        Ok(reply)
    }

    /// Answers a request of Python code.
    pub(crate) fn answer_client_request(&mut self, id: &str, reply: ClientReply) -> Result<(), Problem> {
        self.client_requests.answer(id, reply)
    }

    /// The subscriber of this call goes: the call's client requests get no reply.
    pub(crate) fn detach_subscriber(&mut self, call_id: CallId) {
        let id = self.calls.in_flight().find(|(_, call)| call.call_id == call_id).map(|(_, call)| call.id);
        if let Some(id) = id {
            self.client_requests.end_of(id);
        }
    }
}

impl SessionState {
    /// For how long no call has been in progress; `None` while one is.
    pub(crate) fn idle_for(&self, now: Instant) -> Option<Duration> {
        (self.calls.len() == 0).then(|| now.saturating_duration_since(self.stats.idle_since))
    }

    /// For how long the running call has run: since it was sent, or the one before it had ended.
    pub(crate) fn running_for(&self, running: WireId, now: Instant) -> Option<Duration> {
        let sent_at = self.calls.get(running)?.sent_at;
        let began = self.stats.last_call_ended_at.map_or(sent_at, |ended_at| ended_at.max(sent_at));
        Some(now.saturating_duration_since(began))
    }

    /// The call that runs.
    pub(crate) fn running_call(&self, running: WireId) -> Option<RunningCall> {
        let call = self.calls.get(running)?;
        Some(RunningCall { call_id: call.call_id, grace: call.grace, limits: call.limits })
    }

    /// Whether a call has limits that only sampling shows to be exceeded.
    pub(crate) fn needs_polling(&self) -> bool {
        self.calls.needs_polling()
    }
}
