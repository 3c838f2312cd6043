//! What a worker sends, as functions of any bytes.

use bytes::BytesMut;
use futures_util::FutureExt as _;

use crate::session::event::Event;
use crate::session::service::json::floats::{row_to_json, rows};
use crate::session::service::json::{ArrayFormat, event_json};
use crate::session::supervisor::callbacks::message::{ClientMessage, HostCall, HostCallOptions};
use crate::worker::frame::{Decoder, MAX_BODY};
use crate::worker::passed_json::{Shape, is_json, json_in};
use crate::worker::wire::{WorkerAnswer, WorkerMessage};

/// A call from Python to the host.
pub(crate) fn host_call(input: &[u8]) {
    let _ = serde_json::from_slice::<ClientMessage<'_>>(input);
    let _ = (serde_json::from_slice::<HostCall>(input), serde_json::from_slice::<HostCallOptions>(input));
}

/// The first byte says in which pieces the others arrive; the messages are the same however they do.
pub(crate) fn worker_messages(input: &[u8]) {
    let Some((&size, bytes)) = input.split_first() else { return };
    let pieces = messages(bytes.chunks(usize::from(size) + 1));
    let whole = messages([bytes].into_iter());
    let described = |messages: &[WorkerMessage]| messages.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(described(&whole), described(&pieces));
    whole.into_iter().for_each(pass_on);
}

fn messages<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<WorkerMessage> {
    let (mut decoder, mut buffer, mut messages) = (Decoder::with_limit(4 * MAX_BODY), BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(message)) => messages.push(WorkerMessage::decode(message)),
                Ok(None) => break,
                Err(_) => return messages,
            }
        }
    }
    messages
}

/// As the host does: what is no JSON of its shape ends the worker, all else goes on to clients.
fn pass_on(mut message: WorkerMessage) {
    if let Some((body, shape)) = json_in(&mut message) {
        if !is_json(body, shape) {
            return;
        }
        let event = if shape == Shape::Object { Event::Display(body.clone()) } else { Event::Item(body.clone()) };
        let line = event_json(&event).contiguous();
        assert!(!line.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "more than one line: {line:?}");
        assert!(line.starts_with(b"{") && line.ends_with(b"}"), "no object: {line:?}");
    }
    if let WorkerMessage::Answer { answer, .. } | WorkerMessage::NestedAnswer { answer, .. } = message {
        for format in [ArrayFormat::Plain, ArrayFormat::Exact, ArrayFormat::Binary] {
            match &answer {
                WorkerAnswer::Floats(body) => drop(row_to_json(body.clone(), format).now_or_never()),
                WorkerAnswer::FloatRows(body) => drop(rows(body.clone(), format).now_or_never()),
                _ => {}
            }
        }
    }
}
