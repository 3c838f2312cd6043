//! Calls from Python that concern the client of the call that runs: what it is shown, and what it is asked.

use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem, ValueForm};
use bytes::Bytes;
use serde::Deserialize;

use crate::session::event_channel::{ClientRequestKind, Event};
use crate::session::session::SessionInner;
use crate::session::state::client_requests::Way;
use crate::session::supervisor::callbacks::host::Call;
use crate::session::supervisor::supervisor::StdioPump;
use crate::worker::frame::{Body, Message};
use crate::worker::write_queue::WriteQueue;

/// A call that may be about the client of the call that runs.
pub(crate) enum ClientCall<F> {
    /// It is, and is done.
    Done(Result<Bytes, Problem>),
    /// It is, and the client was asked.
    Asked(F),
    /// It is not; its body.
    Other(Bytes),
}

/// Done at once, before anything else is read: what Python shows and asks keeps its order.
pub(crate) fn client_call(
    shared: &SessionInner,
    outputs: &StdioPump,
    outbox: &Arc<WriteQueue>,
    message: Message,
) -> ClientCall<impl Future<Output = Result<Bytes, Problem>> + use<>> {
    #[derive(Deserialize)]
    struct Callback {
        nested: bool,
    }
    let body = message.body.contiguous();
    let Ok(Call { method, params, .. }) = serde_json::from_slice(&body) else { return ClientCall::Other(body) };
    let params = body.slice_ref(params.get().as_bytes());
    let wants = match &*method {
        "display" => None,
        "input" => Some(ClientRequestKind::Input),
        "callback" => Some(ClientRequestKind::Callback),
        _ => return ClientCall::Other(body),
    };
    let mut queue = shared.queue();
    outputs.drain(&mut queue, shared); // what was written before comes before
    let Some(wants) = wants else {
        let shown = queue.tell_running(Event::Display(Body::from(params)));
        return ClientCall::Done(Ok(Bytes::from_static(if shown { b"true" } else { b"false" })));
    };
    let nested = serde_json::from_slice::<Callback>(&params).is_ok_and(|callback| callback.nested);
    let way = nested.then(|| Way { outbox: outbox.clone(), host_call: message.id });
    match queue.ask(wants, params, way) {
        Err(problem) => ClientCall::Done(Err(problem)),
        Ok(answer) => ClientCall::Asked(async move {
            let told = answer.await.map_err(|_| {
                Problem::new(ErrorCode::Cancelled, "the client has gone, or its call has ended, before it answered")
            })?;
            let head = format!(r#"{{"exact":{},"answer":"#, told.form == ValueForm::Exact);
            Ok([head.as_bytes(), &told.body, b"}"].concat().into())
        }),
    }
}
