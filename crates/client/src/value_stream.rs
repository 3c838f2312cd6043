//! Iterating over what Python gives.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use beep_python_protocol::Operation;
use beep_python_protocol::message::{EvaluateRequest, HandleRequest};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::call::CallOptions;
use crate::callback::CallbackDispatcher;
use crate::event::Event;
use crate::invoke::{encode, returned_from, session_call};
use crate::{Error, FromResponse, Handle, Locals, PythonHostBackend};

/// The items of an iterator or generator in a session, as they come; the host makes them as they are read. Dropping it
/// closes the generator. What it prints is passed over. A failure is the last item.
#[derive(Debug)]
pub struct ValueStream<B, T> {
    events: CallbackDispatcher<B>,
    backend: B,
    session: Option<Arc<str>>,
    ended: bool,
    items: PhantomData<fn() -> T>,
}

impl<B: PythonHostBackend, T: FromResponse> ValueStream<B, T> {
    pub(crate) async fn over_code(backend: &B, code: &str, locals: Locals) -> Result<Self, Error> {
        let body = locals
            .into_values()
            .and_then(|locals| encode(&EvaluateRequest { expression: code, locals: &locals, return_type: None }));
        ValueStream::start(backend, body, backend.context().options.clone()).await
    }

    pub(crate) async fn over_object(backend: &B, object: &Handle) -> Result<Self, Error> {
        let body = encode(&HandleRequest { handle_id: object.id() });
        let options = CallOptions { session: object.shared_session(), ..backend.context().options.clone() };
        ValueStream::start(backend, body, options).await
    }

    async fn start(backend: &B, body: Result<Bytes, Error>, options: CallOptions) -> Result<Self, Error> {
        let session = options.session.clone();
        let events = CallbackDispatcher::follow(backend, session_call(Operation::Stream, body, options)?).await?;
        Ok(ValueStream { events, backend: backend.clone(), session, ended: false, items: PhantomData })
    }
}

// Nothing in it is pinned but behind boxes of its own.
impl<B, T> Unpin for ValueStream<B, T> {}

impl<B: PythonHostBackend, T: FromResponse> Stream for ValueStream<B, T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T, Error>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(self.events.poll_next_unpin(cx)) {
                Some(Ok(Event::Item(item))) => {
                    let item = returned_from(&self.backend, *item, self.session.clone());
                    return Poll::Ready(Some(item));
                }
                Some(Ok(Event::Result(_))) | None => self.ended = true,
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Ok(_)) => {}
            }
        }
    }
}
