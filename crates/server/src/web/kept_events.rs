//! Server-sent events of calls, kept for clients that lose their connection: a request with `Last-Event-ID` goes on behind that
//! event, and never runs code again.
//!
//! Each event has an id, `CALL.N`. A call whose client is gone runs on; its last events are kept until a while after its end.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::auth::token::random_text;
use crate::web::event_body::EventBody;

/// How many bytes of its last events one call keeps.
const MAX_CALL_BYTES: usize = 1 << 20;
/// How many all calls keep together.
const MAX_BYTES: usize = 64 << 20;
/// What a call without events takes.
const CALL_OVERHEAD: usize = 1 << 10;
/// How long the events of a call are kept after its end.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// What ends an event.
const END: &[u8] = b"\n\n";

/// The events that a server keeps.
#[derive(Debug, Default)]
pub struct KeptEvents {
    calls: Mutex<Calls>,
    bytes: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Calls {
    by_id: HashMap<Arc<str>, Arc<Call>>,
    /// Those that have ended, and since when.
    ended: VecDeque<(Instant, Arc<str>)>,
    /// Whether a task forgets them when their time is over.
    is_expiring: bool,
}

struct Call {
    id: Arc<str>,
    state: Mutex<State>,
    /// What all calls keep.
    all_bytes: Arc<AtomicUsize>,
}

struct State {
    events: EventBody,
    has_ended: bool,
    /// The last events, each with its id.
    kept: VecDeque<Bytes>,
    kept_bytes: usize,
    /// The number of the event that comes next, from 1.
    next: u64,
    /// The number of the connection that gets the events: one that goes on takes them from the one before.
    connection: u64,
    /// Wakes what gets the events now: its stream wakes the last one that has asked only.
    waker: Option<Waker>,
}

impl KeptEvents {
    /// The events of a call that begins, with their ids.
    pub(crate) fn begin(self: &Arc<KeptEvents>, events: EventBody) -> EventBody {
        // Without random bytes nothing can be named that others do not guess.
        let Ok(id) = random_text() else { return events };
        let call = Call::new(id.into(), events, self.bytes.clone());
        self.calls.lock().by_id.insert(call.id.clone(), call.clone());
        Box::pin(Reader { kept: Arc::downgrade(self), call, connection: 0, position: 1 })
    }

    /// The events behind the one of this id; `None` where none will come or some are not kept any more.
    pub(crate) fn go_on(self: &Arc<KeptEvents>, last: &str) -> Option<EventBody> {
        let (id, number) = last.rsplit_once('.')?;
        let position = number.parse::<u64>().ok()?.checked_add(1)?;
        let call = self.calls.lock().by_id.get(id)?.clone();
        let mut state = call.state.lock();
        let is_kept = (state.first()..=state.next).contains(&position);
        if !is_kept || (state.has_ended && position == state.next) {
            return None;
        }
        state.connection += 1;
        let connection = state.connection;
        if let Some(before) = state.waker.take() {
            before.wake();
        }
        drop(state);
        Some(Box::pin(Reader { kept: Arc::downgrade(self), call, connection, position }))
    }

    /// Reads what a client that is gone does not, and keeps the last of it for a while.
    async fn let_run(self: Arc<KeptEvents>, call: Arc<Call>, connection: u64) {
        let is_superseded = poll_fn(|cx| {
            let mut state = call.state.lock();
            loop {
                if state.connection != connection {
                    return Poll::Ready(true);
                }
                if ready!(state.poll_more(cx, &call)).is_none() {
                    return Poll::Ready(false);
                }
            }
        });
        if !is_superseded.await {
            self.end(&call);
        }
    }

    /// Keeps a call that has ended for a while.
    fn end(self: Arc<KeptEvents>, call: &Call) {
        let mut calls = self.calls.lock();
        calls.ended.push_back((Instant::now() + KEPT_FOR, call.id.clone()));
        while self.bytes.load(Ordering::Relaxed) > MAX_BYTES && calls.forget_first() {}
        if !std::mem::replace(&mut calls.is_expiring, true) {
            let kept = Arc::downgrade(&self);
            tokio::spawn(KeptEvents::expire(kept));
        }
    }

    /// Forgets what ended long ago, until nothing is there that has ended.
    async fn expire(kept: Weak<KeptEvents>) {
        loop {
            let until = {
                let Some(kept) = kept.upgrade() else { return };
                let mut calls = kept.calls.lock();
                while calls.ended.front().is_some_and(|(until, _)| *until <= Instant::now()) {
                    calls.forget_first();
                }
                let Some((until, _)) = calls.ended.front() else {
                    calls.is_expiring = false;
                    return;
                };
                *until
            };
            sleep_until(until).await;
        }
    }
}

impl Calls {
    /// Whether there was one. It may be there twice: a client that goes on behind the end lets it end once more.
    fn forget_first(&mut self) -> bool {
        self.ended.pop_front().map(|(_, id)| self.by_id.remove(&id)).is_some()
    }
}

impl Call {
    fn new(id: Arc<str>, events: EventBody, all_bytes: Arc<AtomicUsize>) -> Arc<Call> {
        all_bytes.fetch_add(CALL_OVERHEAD, Ordering::Relaxed);
        let state = State {
            events,
            has_ended: false,
            kept: VecDeque::new(),
            kept_bytes: 0,
            next: 1,
            connection: 0,
            waker: None,
        };
        Arc::new(Call { id, state: Mutex::new(state), all_bytes })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.all_bytes.fetch_sub(CALL_OVERHEAD + self.state.get_mut().kept_bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive() // its id is secret
    }
}

impl State {
    /// The number of the first event that is kept.
    fn first(&self) -> u64 {
        self.next - self.kept.len() as u64
    }

    /// The next events, with their ids; the last of them are kept.
    fn poll_more(&mut self, cx: &mut Context<'_>, call: &Call) -> Poll<Option<Bytes>> {
        self.waker = Some(cx.waker().clone());
        let Some(events) = (match self.has_ended {
            true => None,
            false => ready!(self.events.as_mut().poll_next(cx)),
        }) else {
            self.has_ended = true;
            return Poll::Ready(None);
        };
        let mut out = BytesMut::with_capacity(events.len() + 64);
        let mut ends = Vec::new();
        let mut rest = &events[..];
        while !rest.is_empty() {
            let end = memchr::memmem::find(rest, END).map_or(rest.len(), |at| at + END.len());
            out.put_slice(format!("id: {}.{}\n", call.id, self.next + ends.len() as u64).as_bytes());
            out.put_slice(&rest[..end]);
            ends.push(out.len());
            rest = &rest[end..];
        }
        let out = out.freeze();
        let begins = std::iter::once(0).chain(ends.iter().copied());
        for (begin, end) in begins.zip(&ends) {
            self.keep(out.slice(begin..*end), &call.all_bytes);
        }
        Poll::Ready(Some(out))
    }

    fn keep(&mut self, event: Bytes, all_bytes: &AtomicUsize) {
        self.next += 1;
        self.kept_bytes += event.len();
        all_bytes.fetch_add(event.len(), Ordering::Relaxed);
        self.kept.push_back(event);
        while self.kept_bytes > MAX_CALL_BYTES || all_bytes.load(Ordering::Relaxed) > MAX_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.kept_bytes -= oldest.len();
            all_bytes.fetch_sub(oldest.len(), Ordering::Relaxed);
        }
    }
}

/// The events of a call on their way to one connection.
struct Reader {
    kept: Weak<KeptEvents>,
    call: Arc<Call>,
    connection: u64,
    /// The number of the event that it gets next.
    position: u64,
}

impl Stream for Reader {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let call = self.call.clone();
        let mut state = call.state.lock();
        if state.connection != self.connection {
            return Poll::Ready(None);
        }
        if self.position < state.next {
            let at = self.position.saturating_sub(state.first());
            self.position += 1;
            return Poll::Ready(state.kept.get(at as usize).cloned());
        }
        let more = ready!(state.poll_more(cx, &call));
        self.position = state.next;
        Poll::Ready(more)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let (Some(kept), Ok(runtime)) = (self.kept.upgrade(), tokio::runtime::Handle::try_current()) else { return };
        let mut state = self.call.state.lock();
        if state.connection == self.connection {
            state.connection += 1;
            runtime.spawn(kept.let_run(self.call.clone(), state.connection));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    /// A call that wakes the one alone that asked it last, as those of sessions do.
    #[derive(Clone, Default)]
    struct Source(Arc<Mutex<Told>>);

    #[derive(Default)]
    struct Told {
        /// The last one is none.
        events: VecDeque<Option<Bytes>>,
        waker: Option<Waker>,
    }

    impl Source {
        fn tell(&self, event: Option<&'static str>) {
            let mut told = self.0.lock();
            told.events.push_back(event.map(Bytes::from));
            told.waker.take().into_iter().for_each(Waker::wake);
        }
    }

    impl Stream for Source {
        type Item = Bytes;

        fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
            let mut told = self.0.lock();
            match told.events.pop_front() {
                Some(event) => Poll::Ready(event),
                None => {
                    told.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        }
    }

    async fn id_of_next(events: &mut EventBody) -> String {
        let event = String::from_utf8(events.next().await.expect("an event").to_vec()).unwrap();
        event.lines().next().and_then(|line| line.strip_prefix("id: ")).expect("an id").to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_of_calls_that_clients_have_gone_on_with() {
        let (kept, source) = (Arc::<KeptEvents>::default(), Source::default());
        let mut first = kept.begin(Box::pin(source.clone()));
        source.tell(Some("event: a\ndata: {}\n\n"));
        let id = id_of_next(&mut first).await;
        let waiting = tokio::spawn(async move { first.next().await });
        tokio::task::yield_now().await;
        // The connection before ends at once, though nothing is told.
        let second = kept.go_on(&id).expect("it runs");
        let ended = tokio::time::timeout(KEPT_FOR, waiting).await.expect("it is woken");
        assert_eq!(ended.unwrap(), None);
        for _ in 0..3 {
            drop(kept.go_on(&id).expect("it runs"));
            tokio::task::yield_now().await; // it runs on without a client
        }
        drop(second);
        let mut last = kept.go_on(&id).expect("it runs");
        source.tell(Some("event: result\ndata: {}\n\n"));
        let end = id_of_next(&mut last).await;
        source.tell(None);
        assert!(last.next().await.is_none());
        drop(last);
        tokio::task::yield_now().await;
        assert!(kept.go_on(&id).is_some() && kept.go_on(&end).is_none());
        tokio::time::sleep(2 * KEPT_FOR).await;
        assert!(kept.go_on(&id).is_none());
        assert_eq!(kept.bytes.load(Ordering::Relaxed), 0, "a task or the list still holds the call");
    }
}
