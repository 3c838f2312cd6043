//! Calls without a socket.

use std::sync::Arc;
use std::time::Duration;

use beep_python_memory::Memory;
use beep_python_protocol::{CallOptions, DataDescriptor, ErrorCode, HostOperation, Operation, Problem, ValueForm};
use beep_python_runtime::session::service::attach::{Attachment, attach};
use beep_python_runtime::session::service::host_operation;
use beep_python_runtime::session::service::json::{
    ArrayFormat, EncodedEvent, EncodedResponse, encode_event, encode_response,
};
use beep_python_runtime::session::service::operation::{self, Caller};
use beep_python_runtime::session::{
    Datum as RuntimeDatum, DatumMemory, Event as RuntimeEvent, Payload, SessionManager, TakesData,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::embedded_host::{EmbeddedHost, Running};
use super::options::LocalOptions;
use crate::call::{Call, Reply, Target};
use crate::data::{Buffer, Datum};
use crate::error::Error;
use crate::event::{Event, EventStream};
use crate::transport::Transport;

/// The way to a host in this process.
#[derive(Clone, Debug)]
pub struct LocalTransport {
    pub(super) host: Arc<EmbeddedHost>,
}

impl LocalTransport {
    /// The options that the host was made with.
    pub fn options(&self) -> &LocalOptions {
        &self.host.options
    }
}

/// The shortest deadline, as on a wire.
const SHORTEST: Duration = Duration::from_millis(1);

impl Transport for LocalTransport {
    async fn call(&self, call: Call) -> Result<Reply, Error> {
        let running = self.host.running().await?;
        let sessions = running.sessions.clone();
        let cancel_on_disconnect = call.options.cancels_on_disconnect();
        // A call goes on when its caller goes away, as it does on a server.
        let task = running.runtime.spawn(async move { carry_out(&sessions, call).await });
        let _abort = cancel_on_disconnect.then(|| AbortOnDrop(task.abort_handle()));
        let done = task.await;
        done.unwrap_or_else(|_| Err(Error::from_problem(Problem::new(ErrorCode::ShuttingDown, "the host has ended"))))
    }

    async fn subscribe(&self, call: Call) -> Result<EventStream, Error> {
        subscribe(self.host.running().await?, call)
    }
}

/// The most events that are on their way to the reader's thread.
const EVENT_BUFFER: usize = 64;

fn subscribe(running: &Running, call: Call) -> Result<EventStream, Error> {
    let _inside = running.runtime.enter();
    let options = local_options(&call);
    match call.target {
        Target::Session(operation) => {
            let events = operation::subscribe(&running.sessions, operation, &options, None, call.body);
            Ok(forward(running, events.map_err(Error::from_problem)?))
        }
        Target::Host(HostOperation::SessionEvents) => {
            let session = call.options.session.as_deref();
            let events = host_operation::session_events(&running.sessions, session, &options, None, &call.body);
            Ok(forward(running, events.map_err(Error::from_problem)?))
        }
        Target::Host(_) => Err(Error::Unsupported { what: "events of this operation of the host" }),
    }
}

/// Moves events to the reader's thread.
fn forward(running: &Running, events: impl Stream<Item = RuntimeEvent> + Send + 'static) -> EventStream {
    let (sender, receiver) = mpsc::channel(EVENT_BUFFER);
    let mut events = Box::pin(events);
    running.runtime.spawn(async move {
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = sender.closed() => return,
            };
            let Some(event) = event else { return };
            let read = match encode_event(event, ValueForm::Exact).await {
                EncodedEvent::Event(name, object) => Event::read(name, &object.contiguous()),
                EncodedEvent::Response(composed) => match reply(composed) {
                    Ok(Reply::Json(answer)) => Ok(Some(Event::Result(answer))),
                    Ok(_) => Ok(None),
                    Err(error) => Err(error),
                },
            };
            if let Some(event) = read.transpose()
                && sender.send(event).await.is_err()
            {
                return;
            }
        }
    });
    EventStream::new(stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (event, receiver))
    }))
}

/// The options of a call in this process: a deadline of zero would be read as none.
fn local_options(call: &Call) -> CallOptions {
    let options = call.options_on_wire();
    let timeout = options.timeout.map(|timeout| timeout.max(SHORTEST));
    CallOptions { timeout, values: Some(ValueForm::Exact), ..options }
}

/// A task that ends when its caller goes away.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn carry_out(sessions: &SessionManager, call: Call) -> Result<Reply, Error> {
    let options = local_options(&call);
    let Call { target, body, options: given, data } = call;
    match target {
        Target::Host(operation) => {
            let session = given.session.as_deref();
            let answer = host_operation::execute_host_operation(sessions, operation, session, &body).await;
            answer.map(|text| Reply::Json(text.into())).map_err(Error::from_problem)
        }
        Target::Session(operation) => {
            let mut payload = match data.is_empty() {
                true => Payload::from(body),
                false => attached(sessions, &options, &body, data)?,
            };
            if operation == Operation::Fetch {
                payload.takes = TakesData::Memory;
            }
            let answered =
                operation::execute_operation(sessions, operation, &options, Caller::default(), payload).await;
            reply(encode_response(answered.map_err(Error::from_problem)?, ArrayFormat::Binary).await)
        }
    }
}

/// The payload of a request with data.
fn attached(
    sessions: &SessionManager,
    options: &CallOptions,
    body: &Bytes,
    data: Vec<Datum>,
) -> Result<Payload, Error> {
    let unreadable = |error: &dyn std::fmt::Display| Error::malformed(format!("the data cannot be sent: {error}"));
    let mut attachments = Vec::with_capacity(data.len());
    for datum in data {
        let (memory, offset) = datum.buffer.descriptor().map_err(|error| unreadable(&error))?;
        let memory = Memory::received(memory).map_err(|error| unreadable(&error))?;
        attachments.push(Attachment { descriptor: DataDescriptor { offset, ..datum.descriptor }, memory });
    }
    attach(sessions, options, body, attachments).map_err(Error::from_problem)
}

/// The data of a result, which stay where they lie.
fn datum(datum: RuntimeDatum) -> Result<Datum, Error> {
    let unreadable = |error: &dyn std::fmt::Display| Error::malformed(format!("the data cannot be read: {error}"));
    let RuntimeDatum { descriptor, memory } = datum;
    let buffer = match memory {
        DatumMemory::Inline(pieces) => pieces.contiguous().into(),
        DatumMemory::Sealed(held) => {
            let memory = held.memory().try_clone_descriptor().map_err(|error| unreadable(&error))?;
            Buffer::of_descriptor(memory, descriptor.offset, descriptor.byte_length)
                .map_err(|error| unreadable(&error))?
        }
    };
    Ok(Datum::new(descriptor, buffer))
}

fn reply(composed: EncodedResponse) -> Result<Reply, Error> {
    match composed {
        EncodedResponse::Datum { about, datum: sent } => {
            Ok(Reply::Datum { datum: datum(*sent)?, about: about.contiguous() })
        }
        EncodedResponse::Json(pieces) => Ok(Reply::Json(pieces.contiguous())),
        EncodedResponse::Floats { shape, pieces } => Ok(Reply::Floats { data: pieces.contiguous(), shape }),
        EncodedResponse::Exception(pieces) => {
            let document: Bytes = pieces.contiguous();
            Err(Error::from_body(ErrorCode::PythonException.http_status(), &document))
        }
        EncodedResponse::Problem(problem) => Err(Error::from_problem(*problem)),
    }
}
