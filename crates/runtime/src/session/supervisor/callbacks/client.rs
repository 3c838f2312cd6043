//! Calls from Python that concern the client of a call: displays, and requests for its input.

use beep_python_protocol::{ErrorCode, Problem, ValueForm};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::session::event::{ClientRequestKind, Event};
use crate::session::shared::SessionInner;
use crate::session::state::client_requests::{ClientReply, HostCallId};
use crate::session::state::state::SessionState;
use crate::session::supervisor::callbacks::message::{ClientMessage, RawObject};
use crate::session::supervisor::stdio::StdioPump;
use crate::worker::wire::WireId;

/// What became of a call that concerns the client.
pub(crate) enum ClientCall {
    /// It is done.
    Done(Result<Bytes, Problem>),
    /// The client was asked.
    Asked(oneshot::Receiver<ClientReply>),
}

/// Carries out a call that concerns the client of the request `of`, before anything else is read: displays and requests keep
/// their order.
pub(crate) fn carry_out_client_call(
    inner: &SessionInner,
    stdio: &StdioPump,
    id: u64,
    of: WireId,
    body: &Bytes,
) -> ClientCall {
    let bytes = |params: RawObject<'_>| body.slice_ref(params.get().as_bytes());
    let (kind, params) = match serde_json::from_slice::<ClientMessage<'_>>(body) {
        Ok(ClientMessage::Display(params)) => return tell(inner, stdio, of, || Event::Display(bytes(params).into())),
        Ok(ClientMessage::Log(params)) => return tell(inner, stdio, of, || Event::Log(bytes(params).into())),
        Ok(ClientMessage::Progress(params)) => return tell(inner, stdio, of, || Event::Progress(bytes(params).into())),
        Ok(ClientMessage::ClearOutput { wait }) => return tell(inner, stdio, of, || Event::ClearOutput { wait }),
        Ok(ClientMessage::Held(is_held)) => {
            inner.read(|state, _| state.hold(of, is_held));
            return ClientCall::Done(Ok(Bytes::from_static(b"true")));
        }
        Ok(ClientMessage::KeepCallback { over }) => return ClientCall::Done(keep_callback(inner, over.as_deref())),
        Ok(ClientMessage::KeptCallback { over, callback }) => {
            let host_call = HostCallId { id, takes_nested: takes_nested_calls(callback) };
            let callback = bytes(callback);
            return ask(inner, stdio, |state| state.ask_subscriber(of, &over, callback, host_call));
        }
        Ok(ClientMessage::Input(params)) => (ClientRequestKind::Input, params),
        Ok(ClientMessage::Callback(params)) => (ClientRequestKind::Callback, params),
        Err(error) => {
            let detail = format!("the call to the client cannot be read: {error}");
            return ClientCall::Done(Err(Problem::new(ErrorCode::InvalidRequest, detail)));
        }
    };
    let host_call = HostCallId { id, takes_nested: takes_nested_calls(params) };
    let params = bytes(params);
    ask(inner, stdio, |state| state.request_from_client(of, kind, params, host_call))
}

fn ask(
    inner: &SessionInner,
    stdio: &StdioPump,
    ask: impl FnOnce(&mut SessionState) -> Result<oneshot::Receiver<ClientReply>, Problem>,
) -> ClientCall {
    let asked = inner.update(|state, link, _| {
        stdio.drain_into(state, link, &inner.id); // earlier output comes first
        ask(state)
    });
    asked.map_or_else(
        |problem| {
            inner.config.metrics.failed(problem.code);
            ClientCall::Done(Err(problem))
        },
        ClientCall::Asked,
    )
}

/// Says over which subscription the client of a callback will be asked, and whether it takes arguments in the exact form.
fn keep_callback(inner: &SessionInner, over: Option<&str>) -> Result<Bytes, Problem> {
    let (id, form) = inner.read(|state, _| state.keep_callback(over))?;
    Ok(format!(r#"{{"over":"{id}","exact":{}}}"#, form == ValueForm::Exact).into())
}

/// Gives the client of a call an event, behind earlier output; the session's subscribers where the call has ended.
fn tell(inner: &SessionInner, stdio: &StdioPump, of: WireId, event: impl Fn() -> Event) -> ClientCall {
    let told = inner.update(|state, link, _| {
        stdio.drain_into(state, link, &inner.id);
        state.tell(of, event)
    });
    ClientCall::Done(Ok(Bytes::from_static(if told { b"true" } else { b"false" })))
}

/// Whether the thread that waits for the answer carries out nested calls.
fn takes_nested_calls(params: RawObject<'_>) -> bool {
    #[derive(Deserialize)]
    struct Callback {
        nested: bool,
    }
    serde_json::from_str::<Callback>(params.get()).is_ok_and(|callback| callback.nested)
}

/// Waits for the client's reply, and writes it as the result of the call from Python.
pub(crate) async fn client_reply(reply: oneshot::Receiver<ClientReply>) -> Result<Bytes, Problem> {
    let reply = reply.await.map_err(|_| {
        Problem::new(
            ErrorCode::Cancelled,
            "the client has gone, or its call was interrupted or has ended, before it answered",
        )
    })?;
    let head = format!(r#"{{"exact":{},"answer":"#, reply.form == ValueForm::Exact);
    Ok([head.as_bytes(), &reply.body, b"}"].concat().into())
}
