//! The way of a call's events to its subscriber: bounded memory, whether or not anything is read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::session::call::Response;
use crate::session::event::Event;
use crate::worker::chunks::Chunks;

/// How many bytes of displays wait for a client that does not read; one display is always kept.
const MAX_UNREAD_DISPLAYS: usize = 64 << 20;

/// The events of one call, from the session to the call's subscriber. Unread events take bounded memory: output and displays
/// are capped, and the subscriber asks for the items of a stream.
#[derive(Debug, Default)]
pub(crate) struct EventChannel(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    unread: VecDeque<Event>,
    response: Option<Response>,
    ended: bool,
    /// Whether the subscriber has gone.
    detached: bool,
    waker: Option<Waker>,
    texts: [Text; 2],
    unread_displays: usize,
}

/// One of standard output and standard error.
#[derive(Debug, Default)]
struct Text {
    /// The first bytes of a character that is not complete yet.
    partial: Vec<u8>,
    unread: usize,
    truncated_bytes: usize,
}

impl EventChannel {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while held")
    }

    /// Output of the call, at most `cap` unread bytes of it.
    pub(crate) fn write(&self, stderr: bool, bytes: &[u8], cap: usize) {
        let mut state = self.state();
        if !state.detached {
            state.write(stderr, bytes, cap);
            state.wake();
        }
    }

    /// Any other event. Returns false once the subscriber has gone.
    pub(crate) fn emit(&self, event: Event) -> bool {
        let mut state = self.state();
        if state.detached {
            return false;
        }
        if let Event::Display(body) = &event {
            if state.unread_displays > 0 && state.unread_displays + body.len() > MAX_UNREAD_DISPLAYS {
                let mark = format!("[display cut here: {} bytes]", body.len());
                let mark = serde_json::json!({ "data": { "text/plain": mark } }).to_string();
                state.unread.push_back(Event::Display(Chunks::from(Bytes::from(mark))));
                state.wake();
                return true;
            }
            state.unread_displays += body.len();
        }
        state.unread.push_back(event);
        state.wake();
        true
    }

    /// Ends the channel with the call's response. Only the first response counts.
    pub(crate) fn end(&self, response: Response) {
        let mut state = self.state();
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        for stderr in [false, true] {
            let text = &mut state.texts[usize::from(stderr)];
            let partial = std::mem::take(&mut text.partial);
            if !partial.is_empty() && !state.detached {
                state.push_text(stderr, String::from_utf8_lossy(&partial).into_owned());
            }
            state.mark_truncation(stderr);
        }
        state.response = Some(response);
        state.wake();
    }

    /// Changes the response, unless it was read already.
    pub(crate) fn revise<T>(&self, revise: impl FnOnce(&mut Response) -> T) -> Option<T> {
        self.state().response.as_mut().map(revise)
    }

    /// The subscriber goes: what is unread, and what comes, is dropped.
    pub(crate) fn detach(&self) {
        let mut state = self.state();
        state.detached = true;
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
        match state.response.take() {
            Some(response) => Poll::Ready(Event::Response(Box::new(response))),
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
        if room < bytes.len() && (text.truncated_bytes > 0 || room == 0) {
            text.truncated_bytes += bytes.len(); // the gap lasts until a whole write fits again
            return;
        }
        self.mark_truncation(stderr);
        let text = &mut self.texts[usize::from(stderr)];
        let kept = &bytes[..room];
        let joined;
        let kept = if text.partial.is_empty() {
            kept
        } else {
            joined = [&std::mem::take(&mut text.partial), kept].concat();
            &joined[..]
        };
        let whole = kept.len() - incomplete_suffix(kept);
        text.partial = kept[whole..].to_vec();
        text.truncated_bytes = bytes.len() - room;
        let text = String::from_utf8_lossy(&kept[..whole]).into_owned();
        self.push_text(stderr, text);
    }

    /// Marks where output was truncated, with the number of bytes.
    fn mark_truncation(&mut self, stderr: bool) {
        let truncated_bytes = std::mem::take(&mut self.texts[usize::from(stderr)].truncated_bytes);
        if truncated_bytes > 0 && !self.detached {
            self.push_text(stderr, format!("\n[output cut here: {truncated_bytes} more bytes]\n"));
        }
    }

    fn push_text(&mut self, stderr: bool, new: String) {
        if new.is_empty() {
            return;
        }
        self.texts[usize::from(stderr)].unread += new.len();
        match (self.unread.back_mut(), stderr) {
            (Some(Event::Stdout(last)), false) | (Some(Event::Stderr(last)), true) => last.push_str(&new),
            (_, false) => self.unread.push_back(Event::Stdout(new)),
            (_, true) => self.unread.push_back(Event::Stderr(new)),
        }
    }
}

/// How many bytes at the end begin a character that later bytes may complete.
fn incomplete_suffix(bytes: &[u8]) -> usize {
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

/// One batch of a stream's items, which is one call to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    First,
    Continuation,
}

/// The session's end of a channel: when it is dropped, the channel ends with a response in any case.
#[derive(Debug)]
pub(crate) struct EventSender {
    pub(crate) channel: Arc<EventChannel>,
    /// The batch, of a stream that this host continues by itself.
    pub(crate) batch: Option<Batch>,
    /// The response of a call that ends without one.
    pub(crate) fallback: fn() -> Response,
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.channel.end((self.fallback)());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(channel: &EventChannel) -> Vec<(bool, String)> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(event) = channel.poll_next(&mut cx) {
            match event {
                Event::Stdout(text) => all.push((false, text)),
                Event::Stderr(text) => all.push((true, text)),
                _ => {}
            }
        }
        all
    }

    #[test]
    fn characters_survive_any_split() {
        let bytes = "aé€𝄞z".as_bytes();
        for at in 0..=bytes.len() {
            let channel = EventChannel::default();
            let mut all = String::new();
            for part in [&bytes[..at], &bytes[at..]] {
                channel.write(false, part, 100);
                texts(&channel).into_iter().for_each(|(_, text)| all.push_str(&text));
            }
            assert_eq!(all, "aé€𝄞z", "cut at {at}");
        }
        let channel = EventChannel::default();
        channel.write(false, b"a\xe2\x82", 100);
        channel.end(Response::problem(
            beep_python_protocol::Problem::new(beep_python_protocol::ErrorCode::Internal, ""),
            1,
        ));
        assert_eq!(texts(&channel), [(false, "a\u{fffd}".to_owned())]);
    }

    #[test]
    fn only_unread_output_is_truncated() {
        let channel = EventChannel::default();
        channel.write(false, b"12345", 8);
        channel.write(true, b"error", 8);
        channel.write(false, b"67890", 8);
        channel.write(false, b"x", 8);
        let stdout = |text: &str| (false, text.to_owned());
        assert_eq!(texts(&channel), [stdout("12345"), (true, "error".to_owned()), stdout("678")]);
        channel.write(false, b"more", 8);
        assert_eq!(texts(&channel), [stdout("\n[output cut here: 3 more bytes]\nmore")]);
        for _ in 0..10 {
            channel.write(false, b"1234567", 8);
            assert_eq!(texts(&channel), [stdout("1234567")]);
        }
    }
}
