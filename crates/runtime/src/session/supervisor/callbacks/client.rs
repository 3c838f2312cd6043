//! Calls from Python that concern the client of the running call: displays, and requests for its input.

use beep_python_protocol::{ErrorCode, Problem, ValueForm};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::session::event::{ClientRequestKind, Event};
use crate::session::shared::{SessionInner, running};
use crate::session::state::client_requests::ClientReply;
use crate::session::supervisor::callbacks::message::HostCall;
use crate::session::supervisor::stdio::StdioPump;
use crate::worker::chunks::Chunks;

/// What became of a call that may concern the client.
pub(crate) enum ClientCall {
    /// It is done.
    Done(Result<Bytes, Problem>),
    /// The client was asked.
    Asked(oneshot::Receiver<ClientReply>),
    /// It concerns the host only.
    NotForClient,
}

/// Carries out a call that concerns the client, before anything else is read: displays and requests keep their order.
pub(crate) fn carry_out_client_call(
    inner: &SessionInner,
    stdio: &StdioPump,
    id: u64,
    body: &Bytes,
    call: &HostCall<'_>,
) -> ClientCall {
    let (kind, params) = match call {
        HostCall::Display(params) => (None, params),
        HostCall::Input(params) => (Some(ClientRequestKind::Input), params),
        HostCall::Callback(params) => (Some(ClientRequestKind::Callback), params),
        _ => return ClientCall::NotForClient,
    };
    let host_call = takes_nested_calls(params).then_some(id);
    let params = body.slice_ref(params.get().as_bytes());
    inner.update(|state, link, _| {
        stdio.drain_into(state, link, &inner.id); // earlier output comes first
        let running = running(link);
        let Some(kind) = kind else {
            let shown = state.emit(running, Event::Display(Chunks::from(params)));
            return ClientCall::Done(Ok(Bytes::from_static(if shown { b"true" } else { b"false" })));
        };
        match state.request_from_client(running, kind, params, host_call) {
            Ok(reply) => ClientCall::Asked(reply),
            Err(problem) => ClientCall::Done(Err(problem)),
        }
    })
}

/// Whether the thread that waits for the answer carries out nested calls.
fn takes_nested_calls(params: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Callback {
        nested: bool,
    }
    serde_json::from_str::<Callback>(params.get()).is_ok_and(|callback| callback.nested)
}

/// Waits for the client's reply, and writes it as the result of the call from Python.
pub(crate) async fn client_reply(reply: oneshot::Receiver<ClientReply>) -> Result<Bytes, Problem> {
    let reply = reply.await.map_err(|_| {
        Problem::new(ErrorCode::Cancelled, "the client has gone, or its call has ended, before it answered")
    })?;
    let head = format!(r#"{{"exact":{},"answer":"#, reply.form == ValueForm::Exact);
    Ok([head.as_bytes(), &reply.body, b"}"].concat().into())
}
