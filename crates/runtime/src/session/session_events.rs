//! Subscribing to a session: what happens in it while no call runs that it belongs to.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use beep_python_protocol::{Capabilities, Problem, ValueForm};
use futures_util::Stream;

use crate::session::call::RequestId;
use crate::session::event::Event;
use crate::session::event_channel::EventChannel;
use crate::session::session::Session;
use crate::session::state::subscribers::{Subscriber, SubscriptionId};
use crate::session::unfinished_lines::{Awaited, UnfinishedLines};

impl Session {
    /// Subscribes to what happens in the session from now on and belongs to no call that runs: the output of threads, tasks
    /// and children that earlier calls started, their displays, log records and progress, and restarts. Cancelling `request_id` ends
    /// the subscription. With the capability `callbacks` the subscriber is also asked for the results of callbacks that are kept, with
    /// arguments of this form.
    ///
    /// # Errors
    /// The session has ended, or has as many subscribers as it may have.
    pub fn events(
        &self,
        request_id: Option<RequestId>,
        capabilities: Capabilities,
        form: ValueForm,
    ) -> Result<SessionEvents, Problem> {
        let channel = Arc::new(EventChannel::new(capabilities));
        let inner = &self.inner;
        let callbacks = capabilities.callbacks.then_some(form);
        let subscriber = Subscriber { channel: channel.clone(), request_id, callbacks };
        let subscribed = inner.update(|state, _, _| state.subscribe(subscriber, &inner.id));
        let id = subscribed.inspect_err(|problem| inner.config.metrics.failed(problem.code))?;
        Ok(SessionEvents { session: self.clone(), id, channel, unfinished: UnfinishedLines::default(), ended: false })
    }
}

/// What happens in a session, in order. [`Event::Session`] is the first event, and comes again after each restart;
/// [`Event::Response`], the last, comes when the session has ended.
#[derive(Debug)]
pub struct SessionEvents {
    session: Session,
    id: SubscriptionId,
    channel: Arc<EventChannel>,
    unfinished: UnfinishedLines,
    ended: bool,
}

impl SessionEvents {
    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let event = ready!(self.unfinished.poll_next(cx, &self.channel, &self.session.inner, Awaited::OfNoCall));
        self.ended = matches!(event, Event::Response(_));
        Poll::Ready(Some(event))
    }
}

impl Stream for SessionEvents {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll(cx)
    }
}

impl Drop for SessionEvents {
    fn drop(&mut self) {
        self.channel.detach();
        self.session.inner.update(|state, _, _| state.unsubscribe(self.id));
    }
}
