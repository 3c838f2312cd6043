//! The way of a call's events to its subscriber: bounded memory, whether or not anything is read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use beep_python_protocol::Capabilities;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use crate::session::call::{CallId, Response};
use crate::session::event::Event;
use crate::session::output::{OutputPiece, Tail, incomplete_suffix, into_text};
use crate::worker::chunks::Chunks;

/// How many bytes of displays wait for a client that does not read; one display is always kept.
const MAX_UNREAD_DISPLAYS: usize = 64 << 20;
/// How many questions, and bytes of them, wait for a subscriber of a session that does not read; one is always taken.
const MAX_UNREAD_QUESTIONS: usize = 256;
const MAX_UNREAD_QUESTION_BYTES: usize = 16 << 20;

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
    /// Whether output goes as the bytes that were written.
    raw_output: bool,
    texts: [Text; 2],
    unread_displays: usize,
}

/// One of standard output and standard error.
#[derive(Debug, Default)]
struct Text {
    /// The first bytes of a character that is not complete yet.
    partial: Vec<u8>,
    unread: usize,
    /// What came while too much was unread.
    gap: Tail,
}

impl EventChannel {
    /// The channel of a subscriber with these capabilities.
    pub(crate) fn new(capabilities: Capabilities) -> EventChannel {
        EventChannel(Mutex::new(State { raw_output: capabilities.raw_output, ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Output of the call. Of unread output `cap` bytes are kept, the first ones and the last.
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
        let event = match (event, state.unread.back_mut()) {
            // Only the last is of interest to a client that reads slowly.
            (event @ Event::Progress(_), Some(last @ Event::Progress(_))) => {
                *last = event;
                return true;
            }
            (Event::ClearOutput { wait }, Some(Event::ClearOutput { wait: waits })) => {
                *waits &= wait;
                return true;
            }
            (event @ (Event::Display(_) | Event::Log(_)), _) => state.within_bounds(event),
            (event, _) => event,
        };
        state.unread.push_back(event);
        state.wake();
        true
    }

    /// Whether a further question of this size may wait. Those that nobody waits for any more count until they are read.
    pub(crate) fn has_room_for_question(&self, size: usize) -> bool {
        let state = self.state();
        let unread = state.unread.iter().filter_map(|event| match event {
            Event::ClientRequest(request) => Some(request.body.len()),
            _ => None,
        });
        let (count, bytes) = unread.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size));
        count == 0 || (count < MAX_UNREAD_QUESTIONS && bytes + size <= MAX_UNREAD_QUESTION_BYTES)
    }

    /// Ends the channel with the call's response. Only the first response counts.
    pub(crate) fn end(&self, response: Response) {
        let mut state = self.state();
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        for stderr in [false, true] {
            if state.detached {
                continue;
            }
            let partial = std::mem::take(&mut state.texts[usize::from(stderr)].partial);
            state.push_output(stderr, into_text(partial).into_bytes(), 0);
            state.close_gap(stderr);
        }
        state.response = Some(response);
        state.wake();
    }

    /// The subscriber goes: what is unread, and what comes, is dropped.
    pub(crate) fn detach(&self) {
        let mut state = self.state();
        state.detached = true;
        state.unread.clear();
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.state().detached
    }

    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Event> {
        let mut state = self.state();
        if state.unread.is_empty() {
            [false, true].into_iter().for_each(|stderr| state.close_gap(stderr));
        }
        if let Some(event) = state.unread.pop_front() {
            match &event {
                Event::Stdout(output) => state.texts[0].unread -= output.bytes.len(),
                Event::Stderr(output) => state.texts[1].unread -= output.bytes.len(),
                Event::Display(body) | Event::Log(body) => {
                    state.unread_displays = state.unread_displays.saturating_sub(body.len())
                }
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
    /// A display or log record, or a mark in its place where too many wait already.
    fn within_bounds(&mut self, event: Event) -> Event {
        let (Event::Display(body) | Event::Log(body)) = &event else { return event };
        let size = body.len();
        if self.unread_displays == 0 || self.unread_displays + size <= MAX_UNREAD_DISPLAYS {
            self.unread_displays += size;
            return event;
        }
        let mark = |mark: serde_json::Value| Chunks::from(Bytes::from(mark.to_string()));
        match event {
            Event::Log(_) => Event::Log(mark(serde_json::json!({
                "level": "WARNING", "logger": "beep_python", "message": format!("[log record cut here: {size} bytes]")
            }))),
            _ => {
                let text = format!("[display cut here: {size} bytes]");
                Event::Display(mark(serde_json::json!({ "data": { "text/plain": text } })))
            }
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn write(&mut self, stderr: bool, bytes: &[u8], cap: usize) {
        let text = &mut self.texts[usize::from(stderr)];
        let room = (cap - cap / 2).saturating_sub(text.unread).min(bytes.len());
        if !text.gap.is_empty() || room == 0 {
            return text.gap.push(bytes, cap / 2); // until all before it is read
        }
        if self.raw_output {
            text.gap.push(&bytes[room..], cap / 2);
            return self.push_output(stderr, bytes[..room].to_vec(), 0);
        }
        let joined;
        let mut kept = &bytes[..room];
        if !text.partial.is_empty() {
            joined = [&std::mem::take(&mut text.partial), kept].concat();
            kept = &joined[..];
        }
        let (whole, partial) = kept.split_at(kept.len() - incomplete_suffix(kept));
        if room == bytes.len() {
            text.partial = partial.to_vec();
        } else {
            text.gap.push(partial, cap / 2);
            text.gap.push(&bytes[room..], cap / 2);
        }
        self.push_output(stderr, into_text(whole.to_vec()).into_bytes(), 0);
    }

    /// Gives what waited until all output before it was read.
    fn close_gap(&mut self, stderr: bool) {
        let gap = &mut self.texts[usize::from(stderr)].gap;
        if gap.is_empty() {
            return;
        }
        let (bytes, omitted_bytes) = match self.raw_output {
            true => gap.take(),
            false => {
                let (text, omitted_bytes) = gap.take_text();
                (text.into_bytes(), omitted_bytes)
            }
        };
        self.push_output(stderr, bytes, omitted_bytes);
    }

    fn push_output(&mut self, stderr: bool, bytes: Vec<u8>, omitted_bytes: u64) {
        if bytes.is_empty() && omitted_bytes == 0 {
            return;
        }
        self.texts[usize::from(stderr)].unread += bytes.len();
        // Raw bytes have no mark, so an event begins where others were left out.
        let follows = omitted_bytes == 0 || !self.raw_output;
        match (self.unread.back_mut(), stderr) {
            (Some(Event::Stdout(last)), false) | (Some(Event::Stderr(last)), true) if follows => {
                last.bytes.extend_from_slice(&bytes);
                last.omitted_bytes += omitted_bytes;
            }
            (_, false) => self.unread.push_back(Event::Stdout(OutputPiece { bytes, omitted_bytes })),
            (_, true) => self.unread.push_back(Event::Stderr(OutputPiece { bytes, omitted_bytes })),
        }
    }
}

/// One batch of a stream's items, which is one call to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    First,
    Continuation {
        /// The call of the batch before.
        after: CallId,
    },
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
                Event::Stdout(output) => all.push((false, String::from_utf8_lossy(&output.bytes).into_owned())),
                Event::Stderr(output) => all.push((true, String::from_utf8_lossy(&output.bytes).into_owned())),
                _ => {}
            }
        }
        all
    }

    fn ended(channel: &EventChannel) {
        let problem = beep_python_protocol::Problem::new(beep_python_protocol::ErrorCode::Internal, "");
        channel.end(Response::problem(problem, 1));
    }

    #[test]
    fn what_is_cleared_again_is_one_event() {
        let channel = EventChannel::default();
        for waits in [[true, false], [false, true], [true, true]] {
            waits.iter().for_each(|&wait| assert!(channel.emit(Event::ClearOutput { wait })));
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(Event::ClearOutput { wait }) = channel.poll_next(&mut cx) else { panic!("{waits:?}") };
            assert_eq!(wait, waits[0] && waits[1]);
            assert!(channel.poll_next(&mut cx).is_pending());
        }
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
        ended(&channel);
        assert_eq!(texts(&channel), [(false, "a\u{fffd}".to_owned())]);
    }

    #[test]
    fn of_unread_output_the_first_and_the_last_bytes_are_kept() {
        let stdout = |text: &str| (false, text.to_owned());
        for end in [false, true] {
            let channel = EventChannel::default();
            for part in ["12345", "67890", "x", "é"] {
                channel.write(false, part.as_bytes(), 8);
                channel.write(true, b"e", 8);
            }
            if end {
                ended(&channel);
            }
            let error = (true, "eeee".to_owned());
            let cut = "\n[output cut here: 5 bytes left out]\n0xé";
            assert_eq!(texts(&channel), [stdout("1234"), error, stdout(cut)]);
            assert_eq!(texts(&channel), []);
        }
        let channel = EventChannel::default();
        for _ in 0..10 {
            channel.write(false, b"1234567", 8);
            assert_eq!(texts(&channel).iter().map(|(_, text)| text.as_str()).collect::<String>(), "1234567");
        }
    }

    #[test]
    fn raw_output_has_its_bytes_and_no_mark() {
        let raw = || EventChannel::new(Capabilities { raw_output: true, ..Capabilities::NONE });
        let pieces = |channel: &EventChannel| {
            let mut cx = Context::from_waker(Waker::noop());
            let mut all = Vec::new();
            while let Poll::Ready(Event::Stdout(OutputPiece { bytes, omitted_bytes })) = channel.poll_next(&mut cx) {
                all.push((omitted_bytes, bytes));
            }
            all
        };
        let channel = raw();
        ["a\u{e9}".as_bytes(), b"\xe2\x82", b"\xac\xff"].iter().for_each(|part| channel.write(false, part, 100));
        assert_eq!(pieces(&channel), [(0, b"a\xc3\xa9\xe2\x82\xac\xff".to_vec())]);
        channel.write(false, b"\xe2", 100);
        assert_eq!(pieces(&channel), [(0, b"\xe2".to_vec())]);
        for end in [false, true] {
            let channel = raw();
            [b"12\xff45", b"6\xe2\x8290", b"xyz\xc3\xa9"].iter().for_each(|part| channel.write(false, *part, 8));
            if end {
                ended(&channel);
            }
            assert_eq!(pieces(&channel), [(0, b"12\xff4".to_vec()), (7, b"yz\xc3\xa9".to_vec())]);
        }
        let channel = raw();
        channel.write(false, b"123", 0);
        assert_eq!(pieces(&channel), [(3, Vec::new())]);
    }

    #[test]
    fn no_character_is_split_where_output_is_left_out() {
        let all = "aé€𝄞".repeat(10);
        for cap in 0..=all.len() {
            let channel = EventChannel::default();
            channel.write(false, all.as_bytes(), cap);
            let text: String = texts(&channel).into_iter().map(|(_, text)| text).collect();
            assert!(!text.contains('\u{fffd}'), "{cap}: {text}");
            assert!(cap < all.len() || text == all, "{cap}: {text}");
        }
    }
}
