//! Callbacks that outlive their call: their clients are asked over a subscription to the session.

use beep_python_protocol::{ErrorCode, Problem, ValueForm};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::session::event::{ClientRequest, ClientRequestKind, Event};
use crate::session::state::client_requests::{ClientReply, HostCallId, NO_CALL};
use crate::session::state::state::SessionState;
use crate::session::state::subscribers::SubscriptionId;
use crate::worker::wire::WireId;

impl SessionState {
    /// The subscription over which the client of a callback will be asked, and the form in which it takes the arguments.
    pub(crate) fn keep_callback(&self, over: Option<&str>) -> Result<(SubscriptionId, ValueForm), Problem> {
        self.subscribers.for_callbacks(over)
    }

    /// Asks the client of a kept callback. `call` is the one that waits for the answer; [`NO_CALL`] where none does. The receiver fails once
    /// there will be no answer any more.
    pub(crate) fn ask_subscriber(
        &mut self,
        call: WireId,
        over: &str,
        body: Bytes,
        host_call: HostCallId,
    ) -> Result<oneshot::Receiver<ClientReply>, Problem> {
        if self.calls.get(call).is_some_and(|call| call.stopping.is_some()) {
            let detail = "the call has to stop, so no client is asked any more";
            return Err(Problem::new(ErrorCode::Cancelled, detail));
        }
        if call == NO_CALL && self.is_drained() {
            let detail = "the session is ending, so no client is asked any more";
            return Err(Problem::new(ErrorCode::Cancelled, detail));
        }
        let found = self.subscribers.for_callbacks(Some(over)).ok();
        let Some((id, channel)) = found.and_then(|(id, _)| Some((id, self.subscribers.channel(id)?))) else {
            let detail = format!(
                "the client of this callback has ended its subscription '{over}' to the session's events, and the callback with it: \
                 pass it again, over another one"
            );
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        };
        if !channel.has_room_for_question(body.len()) {
            let detail =
                "the client of this callback does not read its subscription, on which too many questions wait already";
            return Err(Problem::new(ErrorCode::QueueFull, detail));
        }
        let (question, reply) = self.client_requests.open(call, Some(id), host_call)?;
        channel.emit(Event::ClientRequest(ClientRequest { id: question, kind: ClientRequestKind::Callback, body }));
        Ok(reply)
    }
}
