//! Lines without their end: while a subscriber waits, the worker is asked for those that are for it. A call that prints many lines keeps some
//! to itself, and would be held up by each who waits for another's.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::session::call::CallId;
use crate::session::event::Event;
use crate::session::event_channel::EventChannel;
use crate::session::shared::{SessionInner, running};

/// How long an unfinished line may wait.
const PAUSE: Duration = Duration::from_millis(50);

/// The longest time until a worker that did not react is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Whose lines a subscriber waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Those of this call; `None` for one that has its answer.
    OfCall(Option<CallId>),
    /// Those that belong to no call that runs.
    OfNoCall,
}

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
        awaited: Awaited,
    ) -> Poll<Event> {
        let polled = channel.poll_next(cx);
        match polled {
            Poll::Ready(_) => self.timer = None,
            Poll::Pending => self.ask(cx, inner, awaited),
        }
        polled
    }

    /// Asks for unfinished lines, each time that the subscriber has waited for long enough.
    fn ask(&mut self, cx: &mut Context<'_>, inner: &SessionInner, awaited: Awaited) {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
        while timer.as_mut().poll(cx) == Poll::Ready(()) {
            let reacts = flush_unfinished(inner, awaited);
            let pause = self.pause.filter(|_| !reacts).map_or(PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
            self.pause = Some(pause);
            timer.as_mut().reset(Instant::now() + pause);
        }
    }
}

/// Asks the worker for such text that it has not written yet, if there is some. Returns false where it has not reacted to the last time.
fn flush_unfinished(inner: &SessionInner, awaited: Awaited) -> bool {
    let asked = inner.read(|state, link| {
        let link = link?;
        let running = state.running_call(running(Some(link))).map(|call| call.call_id);
        let is_there = match (awaited, running) {
            (Awaited::OfCall(call), Some(running)) => call == Some(running) && link.page.has_unfinished(),
            (Awaited::OfNoCall, Some(_)) => link.page.has_unfinished_of_no_call(),
            // Between calls, and while one within a callback runs, whose text it is cannot be told.
            (_, None) => link.page.has_unfinished(),
        };
        is_there.then(|| (link.worker.clone(), link.page.request_flush()))
    });
    let Some((worker, reacts)) = asked else { return true };
    worker.send_interrupt();
    reacts
}
