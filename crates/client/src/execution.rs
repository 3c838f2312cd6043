//! Following code while it runs.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use beep_python_protocol::Operation;
use beep_python_protocol::message::EvaluateRequest;
use futures_util::{Stream, StreamExt};

use crate::callback::CallbackDispatcher;
use crate::event::{Display, Event};
use crate::invoke::{encode, returned, session_call};
use crate::{Error, FromResponse, Locals, PythonHostBackend};

/// What code shows while it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExecutionEvent {
    /// It wrote to standard output.
    Stdout(String),
    /// It wrote to standard error.
    Stderr(String),
    /// It showed an object: by `display`, as the value of its last expression unless that is held, or as a figure of matplotlib.
    Display(Display),
    /// `input()` waits for a line: [`Execution::send_input`].
    InputRequest(InputRequest),
}

/// A line that `input()` waits for.
#[derive(Clone, Debug)]
pub struct InputRequest {
    /// What is to be shown before it.
    pub prompt: String,
    question_id: String,
}

/// Code that runs: a stream of what it shows, to its end; then [`result`](Execution::result). Dropping it lets the code
/// run on, but what it asks gets no answer.
#[derive(Debug)]
pub struct Execution<B> {
    events: CallbackDispatcher<B>,
    backend: B,
    end: Option<Result<bytes::Bytes, Error>>,
}

impl<B: PythonHostBackend> Execution<B> {
    pub(crate) async fn start(
        backend: &B,
        operation: Operation,
        code: &str,
        locals: Locals,
        return_type: Option<&str>,
    ) -> Result<Execution<B>, Error> {
        let body = locals
            .into_values()
            .and_then(|locals| encode(&EvaluateRequest { expression: code, locals: &locals, return_type }));
        let mut call = session_call(operation, body, backend.context().options.clone())?;
        call.options.capabilities.stdin = true;
        let events = CallbackDispatcher::follow(backend, call).await?;
        Ok(Execution { events, backend: backend.clone(), end: None })
    }

    /// Answers `input()`; `None` means that there is no more input.
    ///
    /// # Errors
    /// As every operation; [`ErrorCode::UnknownQuestion`](crate::ErrorCode::UnknownQuestion) when it was answered, or
    /// the code has ended.
    pub async fn send_input(&self, input: &InputRequest, line: Option<&str>) -> Result<(), Error> {
        let answer = line.map_or(Ok(None), |line| Ok(Some(beep_python_protocol::Value::from(line))));
        crate::callback::send_reply(&self.backend, &input.question_id, answer).await
    }

    /// What the code gave, once it has ended; what it shows until then is passed over.
    ///
    /// # Errors
    /// As every operation.
    pub async fn result<T: FromResponse>(mut self) -> Result<T, Error> {
        while self.next().await.is_some() {}
        let session = self.backend.context().options.session.clone();
        match self.end.take() {
            Some(Ok(answer)) => returned(&self.backend, &answer, session),
            Some(Err(error)) => Err(error),
            None => Err(Error::Protocol { status: 200, detail: "the events ended without a result".to_owned() }),
        }
    }
}

// Nothing in it is pinned but behind boxes of its own.
impl<B> Unpin for Execution<B> {}

impl<B: PythonHostBackend> Stream for Execution<B> {
    type Item = ExecutionEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ExecutionEvent>> {
        loop {
            if self.end.is_some() {
                return Poll::Ready(None);
            }
            match ready!(self.events.poll_next_unpin(cx)) {
                Some(Ok(Event::Stdout(text))) => return Poll::Ready(Some(ExecutionEvent::Stdout(text))),
                Some(Ok(Event::Stderr(text))) => return Poll::Ready(Some(ExecutionEvent::Stderr(text))),
                Some(Ok(Event::Display(display))) => return Poll::Ready(Some(ExecutionEvent::Display(display))),
                Some(Ok(Event::InputRequest { question_id, prompt })) => {
                    return Poll::Ready(Some(ExecutionEvent::InputRequest(InputRequest { prompt, question_id })));
                }
                Some(Ok(Event::Result(answer))) => self.end = Some(Ok(answer)),
                Some(Err(error)) => self.end = Some(Err(error)),
                Some(Ok(Event::Item(_) | Event::Callback { .. })) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}
