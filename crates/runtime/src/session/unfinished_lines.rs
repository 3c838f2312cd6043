//! Lines without their end: while a subscriber waits, the worker is asked for them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::session::event::Event;
use crate::session::event_channel::EventChannel;
use crate::session::shared::SessionInner;

/// How long an unfinished line may wait.
const PAUSE: Duration = Duration::from_millis(50);

/// The longest time until a worker that did not react is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The timer of one subscriber.
#[derive(Debug, Default)]
pub(crate) struct UnfinishedLines {
    timer: Option<Pin<Box<Sleep>>>,
    pause: Option<Duration>,
}

impl UnfinishedLines {
    /// The next event of the subscriber's channel.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        channel: &EventChannel,
        inner: &SessionInner,
    ) -> Poll<Event> {
        let polled = channel.poll_next(cx);
        match polled {
            Poll::Ready(_) => self.timer = None,
            Poll::Pending => self.ask(cx, inner),
        }
        polled
    }

    /// Asks for unfinished lines, each time that the subscriber has waited for long enough.
    fn ask(&mut self, cx: &mut Context<'_>, inner: &SessionInner) {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
        while timer.as_mut().poll(cx) == Poll::Ready(()) {
            let reacts = inner.flush_unfinished();
            let pause = self.pause.filter(|_| !reacts).map_or(PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
            self.pause = Some(pause);
            timer.as_mut().reset(Instant::now() + pause);
        }
    }
}
