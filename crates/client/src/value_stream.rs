//! The items of a Python iterator.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use beep_python_protocol::Operation;
use beep_python_protocol::message::{CallResponse, RETURN_JSON, StreamRequest};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::args::Locals;
use crate::body::{decode_json, encode, session_call};
use crate::callback_dispatcher::CallbackDispatcher;
use crate::client::Client;
use crate::error::Error;
use crate::event::Event;
use crate::handle::Handle;
use crate::response::FromResponse;
use crate::transport::Transport;
use beep_python_protocol::CallOptions;

/// A [`Stream`] of the items of an iterator or generator in a session, which the host makes as they are read. An error is
/// the last item. What the generator prints is dropped. Dropping the stream closes the generator.
#[derive(Debug)]
pub struct ValueStream<T, R> {
    events: CallbackDispatcher<T>,
    client: Client<T>,
    session: Option<Arc<str>>,
    ended: bool,
    returned: Option<Box<CallResponse>>,
    items: PhantomData<fn() -> R>,
}

impl<T: Transport, R: FromResponse> ValueStream<T, R> {
    pub(crate) async fn over_code(client: &Client<T>, code: &str, locals: Locals) -> Result<Self, Error> {
        let body = locals.into_values().and_then(|locals| {
            let keep = keeps_items::<R>();
            encode(&StreamRequest { expression: Some(code), locals: &locals, keep, ..StreamRequest::default() })
        });
        ValueStream::start(client, body, client.call_options().clone()).await
    }

    pub(crate) async fn over_object(client: &Client<T>, object: &Handle) -> Result<Self, Error> {
        let (handle_id, keep) = (Some(object.id()), keeps_items::<R>());
        let body = encode(&StreamRequest { handle_id, keep, ..StreamRequest::default() });
        ValueStream::start(client, body, client.options_for(object)).await
    }

    async fn start(client: &Client<T>, body: Result<Bytes, Error>, options: CallOptions) -> Result<Self, Error> {
        let session = options.session.clone();
        let events = CallbackDispatcher::subscribe(client, session_call(Operation::Stream, body, options)?).await?;
        Ok(ValueStream { events, client: client.clone(), session, ended: false, returned: None, items: PhantomData })
    }
}

impl<T: Transport, R> ValueStream<T, R> {
    /// What the generator has returned, once the stream is over; None if that is Python's None, or there is no generator. A
    /// second time it gives None.
    ///
    /// # Errors
    /// As of any result that is of another type.
    pub fn take_returned<V: FromResponse>(&mut self) -> Result<Option<V>, Error> {
        let Some(returned) = self.returned.take() else { return Ok(None) };
        self.client.decode_result(*returned, self.session.clone()).map(Some)
    }
}

/// Whether the caller takes handles of items, which then outlive the stream.
fn keeps_items<R: FromResponse>() -> bool {
    R::RETURN_TYPE != Some(RETURN_JSON)
}

// It pins nothing but what is in boxes.
impl<T, R> Unpin for ValueStream<T, R> {}

impl<T: Transport, R: FromResponse> Stream for ValueStream<T, R> {
    type Item = Result<R, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<R, Error>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(self.events.poll_next_unpin(cx)) {
                Some(Ok(Event::Item(item))) => {
                    let item = self.client.decode_result(*item, self.session.clone());
                    return Poll::Ready(Some(item));
                }
                Some(Ok(Event::Result(response))) => {
                    self.ended = true;
                    match decode_json::<CallResponse>(&response) {
                        Ok(response) => self.returned = response.returned,
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                None => self.ended = true,
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Ok(_)) => {}
            }
        }
    }
}
