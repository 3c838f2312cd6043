//! What a call tells before its answer: output as it comes, displays, items, questions to the client.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::session::call::Response;
use crate::session::event_stream::Following;
use crate::worker::frame::Body;

/// How many bytes of displays wait for a client that does not read; one display is always kept.
const MAX_UNREAD_DISPLAYS: usize = 64 << 20;

/// One thing that a call tells, in the order in which it happened. The last is [`Event::Response`], and nothing follows.
#[derive(Debug)]
pub enum Event {
    /// What it wrote to standard output; bytes that are not UTF-8 are replaced.
    Stdout(String),
    /// What it wrote to standard error.
    Stderr(String),
    /// `{"data": {MIME: VALUE}, "metadata"?}`: an object as it shows itself.
    Display(Body),
    /// One item of a stream: a JSON value.
    Item(Body),
    /// One item of a stream: a JSON object that describes a new handle.
    ItemHandle(Body),
    /// The code waits for what the client answers.
    ClientRequest(ClientRequest),
    /// The call has ended.
    Response(Box<Response>),
}

/// What Python code asks of the client.
#[derive(Debug)]
pub struct ClientRequest {
    /// Its id in the session: the answer says it. Calls that carry it are carried out while the code waits.
    pub id: String,
    /// What is wanted.
    pub wants: ClientRequestKind,
    /// A JSON object: `{"prompt"}` for input, `{"name", "nested", "args", "kwargs"}` for a callback.
    pub body: Bytes,
}

/// What is wanted of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientRequestKind {
    /// A line for `input()`.
    Input,
    /// The result of a callback.
    Callback,
}

/// The events of one call, in order, as they come. When it is dropped its questions get no answer any more; items that
/// nobody can read are not made, so that a stream ends with it; any other call goes on.
#[derive(Debug)]
pub struct EventStream(Following);

impl EventStream {
    pub(crate) fn new(following: Following) -> EventStream {
        EventStream(following)
    }

    /// The next event; `None` after the last.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_next(cx)
    }

    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

/// Events on their way from a call to whoever follows it. What nobody reads takes bounded memory: output and displays
/// have a cap, and items come as they were asked for.
#[derive(Debug, Default)]
pub(crate) struct EventChannel(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    unread: VecDeque<Event>,
    reply: Option<Response>,
    ended: bool,
    /// Nobody reads any more.
    gone: bool,
    waker: Option<Waker>,
    texts: [Text; 2],
    unread_displays: usize,
}

/// One of standard output and standard error.
#[derive(Debug, Default)]
struct Text {
    /// The beginning of a character whose end has not come.
    partial: Vec<u8>,
    unread: usize,
    left_out: usize,
}

impl EventChannel {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while held")
    }

    /// Something that was written.
    pub(crate) fn write(&self, stderr: bool, bytes: &[u8], cap: usize) {
        let mut state = self.state();
        if !state.gone {
            state.write(stderr, bytes, cap);
            state.wake();
        }
    }

    /// Anything else. False where nobody reads any more.
    pub(crate) fn tell(&self, event: Event) -> bool {
        let mut state = self.state();
        if state.gone {
            return false;
        }
        if let Event::Display(body) = &event {
            if state.unread_displays > 0 && state.unread_displays + body.len() > MAX_UNREAD_DISPLAYS {
                let mark = format!("[display cut here: {} bytes]", body.len());
                let mark = serde_json::json!({ "data": { "text/plain": mark } }).to_string();
                state.unread.push_back(Event::Display(Body::from(Bytes::from(mark))));
                state.wake();
                return true;
            }
            state.unread_displays += body.len();
        }
        state.unread.push_back(event);
        state.wake();
        true
    }

    /// The end.
    pub(crate) fn end(&self, reply: Response) {
        let mut state = self.state();
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        for stderr in [false, true] {
            let text = &mut state.texts[usize::from(stderr)];
            let partial = std::mem::take(&mut text.partial);
            if !partial.is_empty() && !state.gone {
                state.push_text(stderr, String::from_utf8_lossy(&partial).into_owned());
            }
            state.mark(stderr);
        }
        state.reply = Some(reply);
        state.wake();
    }

    /// Changes the answer, where nobody has read it yet.
    pub(crate) fn revise<T>(&self, revise: impl FnOnce(&mut Response) -> T) -> Option<T> {
        self.state().reply.as_mut().map(revise)
    }

    /// Nobody reads any more.
    pub(crate) fn leave(&self) {
        let mut state = self.state();
        state.gone = true;
        state.unread.clear();
    }

    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Event> {
        let mut state = self.state();
        if let Some(event) = state.unread.pop_front() {
            match &event {
                Event::Stdout(text) => state.texts[0].unread -= text.len(),
                Event::Stderr(text) => state.texts[1].unread -= text.len(),
                Event::Display(body) => state.unread_displays = state.unread_displays.saturating_sub(body.len()),
                _ => {}
            }
            return Poll::Ready(event);
        }
        match state.reply.take() {
            Some(reply) => Poll::Ready(Event::Response(Box::new(reply))),
            None => {
                if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    state.waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn write(&mut self, stderr: bool, bytes: &[u8], cap: usize) {
        let text = &mut self.texts[usize::from(stderr)];
        let room = cap.saturating_sub(text.unread).min(bytes.len());
        if room < bytes.len() && (text.left_out > 0 || room == 0) {
            text.left_out += bytes.len(); // the gap goes on until there is room for all that comes at once
            return;
        }
        self.mark(stderr);
        let text = &mut self.texts[usize::from(stderr)];
        let kept = &bytes[..room];
        let joined;
        let kept = if text.partial.is_empty() {
            kept
        } else {
            joined = [&std::mem::take(&mut text.partial), kept].concat();
            &joined[..]
        };
        let whole = kept.len() - unfinished(kept);
        text.partial = kept[whole..].to_vec();
        text.left_out = bytes.len() - room;
        let told = String::from_utf8_lossy(&kept[..whole]).into_owned();
        self.push_text(stderr, told);
    }

    /// Says where output was left out, and how much.
    fn mark(&mut self, stderr: bool) {
        let left_out = std::mem::take(&mut self.texts[usize::from(stderr)].left_out);
        if left_out > 0 && !self.gone {
            self.push_text(stderr, format!("\n[output cut here: {left_out} more bytes]\n"));
        }
    }

    fn push_text(&mut self, stderr: bool, told: String) {
        if told.is_empty() {
            return;
        }
        self.texts[usize::from(stderr)].unread += told.len();
        match (self.unread.back_mut(), stderr) {
            (Some(Event::Stdout(last)), false) | (Some(Event::Stderr(last)), true) => last.push_str(&told),
            (_, false) => self.unread.push_back(Event::Stdout(told)),
            (_, true) => self.unread.push_back(Event::Stderr(told)),
        }
    }
}

/// How many bytes at the end begin a character that may go on.
fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let needs = match bytes[bytes.len() - back] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if needs > back { back } else { 0 };
    }
    0
}

/// One of the rounds of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    First,
    Further,
}

/// The end of a feed that a call writes to: whoever follows it always gets an answer.
#[derive(Debug)]
pub(crate) struct EventSender {
    pub(crate) feed: Arc<EventChannel>,
    /// Which round of a stream it is that this host carries on; none for any other call.
    pub(crate) round: Option<Round>,
    /// What stands for an answer where there is none.
    pub(crate) otherwise: fn() -> Response,
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.feed.end((self.otherwise)());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(feed: &EventChannel) -> Vec<(bool, String)> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(event) = feed.poll_next(&mut cx) {
            match event {
                Event::Stdout(text) => all.push((false, text)),
                Event::Stderr(text) => all.push((true, text)),
                _ => {}
            }
        }
        all
    }

    #[test]
    fn text_is_whole_wherever_it_was_cut() {
        let bytes = "aé€𝄞z".as_bytes();
        for at in 0..=bytes.len() {
            let feed = EventChannel::default();
            let mut all = String::new();
            for part in [&bytes[..at], &bytes[at..]] {
                feed.write(false, part, 100);
                texts(&feed).into_iter().for_each(|(_, text)| all.push_str(&text));
            }
            assert_eq!(all, "aé€𝄞z", "cut at {at}");
        }
        let feed = EventChannel::default();
        feed.write(false, b"a\xe2\x82", 100);
        feed.end(Response::problem(
            beep_python_protocol::Problem::new(beep_python_protocol::ErrorCode::Internal, ""),
            1,
        ));
        assert_eq!(texts(&feed), [(false, "a\u{fffd}".to_owned())]);
    }

    #[test]
    fn what_is_not_read_is_cut_and_marked_and_what_is_read_is_not() {
        let feed = EventChannel::default();
        feed.write(false, b"12345", 8);
        feed.write(true, b"error", 8);
        feed.write(false, b"67890", 8);
        feed.write(false, b"x", 8);
        let told = |text: &str| (false, text.to_owned());
        assert_eq!(texts(&feed), [told("12345"), (true, "error".to_owned()), told("678")]);
        feed.write(false, b"more", 8);
        assert_eq!(texts(&feed), [told("\n[output cut here: 3 more bytes]\nmore")]);
        for _ in 0..10 {
            feed.write(false, b"1234567", 8);
            assert_eq!(texts(&feed), [told("1234567")]);
        }
    }
}
