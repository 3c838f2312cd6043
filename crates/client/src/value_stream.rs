//! The items of a Python iterator.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use beep_python_protocol::Operation;
use beep_python_protocol::message::{RETURN_JSON, StreamRequest};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::args::Locals;
use crate::body::{encode, session_call};
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
        Ok(ValueStream { events, client: client.clone(), session, ended: false, items: PhantomData })
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
