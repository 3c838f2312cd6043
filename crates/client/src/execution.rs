//! Code whose output is streamed while it runs.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use beep_python_protocol::message::{CallResponse, Display, EvaluateRequest, LogRecord, Progress};
use beep_python_protocol::{CallOptions, Operation, Value};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::args::Locals;
use crate::body::{decode_json, encode, session_call};
use crate::callback_dispatcher::{CallbackDispatcher, send_reply};
use crate::client::Client;
use crate::error::Error;
use crate::event::Event;
use crate::response::FromResponse;
use crate::transport::Transport;

/// What code does while it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExecutionEvent {
    /// It wrote to standard output.
    Stdout(String),
    /// It wrote to standard error.
    Stderr(String),
    /// It wrote bytes to standard output that are no UTF-8; for clients made [`with_raw_output`](Client::with_raw_output).
    StdoutBytes(Vec<u8>),
    /// It wrote bytes to standard error that are no UTF-8.
    StderrBytes(Vec<u8>),
    /// So many bytes of its output are left out here, since nothing read them in time; for clients made
    /// [`with_raw_output`](Client::with_raw_output). Others find a mark in the text.
    Omitted(u64),
    /// It displayed an object: by `display`, as the value of its last expression, or as a figure of matplotlib.
    Display(Display),
    /// It logged a record; for clients made [`with_log_records`](Client::with_log_records).
    Log(LogRecord),
    /// It told how far it is, by `beep_python.progress`; for clients made [`with_progress`](Client::with_progress).
    Progress(Progress),
    /// `input()` or `getpass()` waits for a line: [`Execution::send_input`].
    InputRequest(InputRequest),
    /// Clear what it has shown.
    ClearOutput {
        /// Not before it shows something else.
        wait: bool,
    },
}

/// A line that `input()` or `getpass()` waits for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InputRequest {
    /// The prompt to show.
    pub prompt: String,
    /// Whether the line is a password, which is not to be shown.
    pub password: bool,
    id: String,
}

/// Running code: a [`Stream`] of its events, which ends with the code; then [`result`](Execution::result). Dropping it
/// does not stop the code, but its `input()` and callbacks get no reply.
#[derive(Debug)]
pub struct Execution<T> {
    events: CallbackDispatcher<T>,
    client: Client<T>,
    end: Option<Result<Bytes, Error>>,
    /// How many bytes are left out of the output so far.
    omitted_bytes: u64,
    /// What comes behind the bytes that were told to be left out.
    behind_omitted: Option<Event>,
}

impl<T: Transport> Execution<T> {
    pub(crate) async fn start(
        client: &Client<T>,
        operation: Operation,
        code: &str,
        locals: Locals,
        return_type: Option<&str>,
    ) -> Result<Execution<T>, Error> {
        let repr = client.state.reprs;
        let body = locals.into_values().and_then(|locals| {
            encode(&EvaluateRequest { expression: code, locals: &locals, return_type, repr, outputs: None })
        });
        Execution::begin(client, operation, body, client.call_options().clone()).await
    }

    pub(crate) async fn begin(
        client: &Client<T>,
        operation: Operation,
        body: Result<Bytes, Error>,
        options: CallOptions,
    ) -> Result<Execution<T>, Error> {
        let mut call = session_call(operation, body, options)?;
        let capabilities = call.options.capabilities.get_or_insert_default();
        capabilities.stdin = true;
        (capabilities.log, capabilities.progress) = (client.state.log_records, client.state.progress);
        capabilities.raw_output = client.state.raw_output;
        let events = CallbackDispatcher::subscribe(client, call).await?;
        Ok(Execution { events, client: client.clone(), end: None, omitted_bytes: 0, behind_omitted: None })
    }

    /// Sends a line to `input()`; `None` is the end of input.
    ///
    /// # Errors
    /// Those of every operation; [`ErrorCode::UnknownQuestion`](crate::ErrorCode::UnknownQuestion) when the request has its
    /// reply already, or the code has ended.
    pub async fn send_input(&self, request: &InputRequest, line: Option<&str>) -> Result<(), Error> {
        send_reply(&self.client, &request.id, Ok(line.map(Value::from))).await
    }

    /// Says why no line is sent: `input()` raises that as `beep_python.CallbackError`.
    ///
    /// # Errors
    /// As [`Execution::send_input`].
    pub async fn refuse_input(&self, request: &InputRequest, reason: &str) -> Result<(), Error> {
        send_reply(&self.client, &request.id, Err(reason.to_owned())).await
    }

    /// Waits for the end of the code, skipping the remaining events, and returns its result. Its `omitted_output_bytes` counts what was
    /// left out of the output of all events, since nothing read it in time.
    ///
    /// # Errors
    /// Those of every operation.
    pub async fn result<R: FromResponse>(mut self) -> Result<R, Error> {
        while self.next().await.is_some() {}
        let session = self.client.call_options().session.clone();
        match self.end.take() {
            Some(Ok(response)) => {
                let mut response: CallResponse = decode_json(&response)?;
                response.omitted_output_bytes += self.omitted_bytes;
                self.client.decode_result(response, session)
            }
            Some(Err(error)) => Err(error),
            None => Err(Error::malformed("the events ended without a result")),
        }
    }
}

// It pins nothing but what is in boxes.
impl<T> Unpin for Execution<T> {}

impl<T: Transport> Stream for Execution<T> {
    type Item = ExecutionEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ExecutionEvent>> {
        loop {
            if self.end.is_some() {
                return Poll::Ready(None);
            }
            let next = match self.behind_omitted.take() {
                Some(event) => Some(Ok(event)),
                None => {
                    let next = ready!(self.events.poll_next_unpin(cx));
                    let omitted = next.as_ref().and_then(|next| next.as_ref().ok()).map_or(0, Event::omitted_bytes);
                    self.omitted_bytes += omitted;
                    if omitted > 0 && self.client.state.raw_output {
                        self.behind_omitted = next.and_then(Result::ok);
                        return Poll::Ready(Some(ExecutionEvent::Omitted(omitted)));
                    }
                    next
                }
            };
            let event = match next {
                Some(Ok(Event::Stdout { text, .. })) => ExecutionEvent::Stdout(text),
                Some(Ok(Event::Stderr { text, .. })) => ExecutionEvent::Stderr(text),
                Some(Ok(Event::StdoutBytes { bytes, .. })) => ExecutionEvent::StdoutBytes(bytes),
                Some(Ok(Event::StderrBytes { bytes, .. })) => ExecutionEvent::StderrBytes(bytes),
                Some(Ok(Event::Display(display))) => ExecutionEvent::Display(display),
                Some(Ok(Event::Log(record))) => ExecutionEvent::Log(record),
                Some(Ok(Event::Progress(progress))) => ExecutionEvent::Progress(progress),
                Some(Ok(Event::InputRequest { question_id: id, prompt, password })) => {
                    ExecutionEvent::InputRequest(InputRequest { prompt, password, id })
                }
                Some(Ok(Event::ClearOutput { wait })) => ExecutionEvent::ClearOutput { wait },
                Some(Ok(Event::Result(response))) => {
                    self.end = Some(Ok(response));
                    continue;
                }
                Some(Err(error)) => {
                    self.end = Some(Err(error));
                    continue;
                }
                Some(Ok(Event::Item(_) | Event::Callback { .. } | Event::Session(_))) => continue,
                None => return Poll::Ready(None),
            };
            return Poll::Ready(Some(event));
        }
    }
}
