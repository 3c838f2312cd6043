//! JSON of a worker that goes on to clients unread. Code that writes to the link may be hostile: anything but JSON could imitate answers to
//! other requests of the same connection.

use serde::de::IgnoredAny;

use crate::worker::chunks::Chunks;
use crate::worker::wire::{WorkerAnswer, WorkerMessage};

/// What JSON has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Any.
    Any,
    /// An object; see [`is_object`].
    Object,
}

/// What of a message is passed on as JSON, unread.
pub(crate) fn json_in(message: &mut WorkerMessage) -> Option<(&mut Chunks, Shape)> {
    match message {
        WorkerMessage::Answer { answer, .. } | WorkerMessage::NestedAnswer { answer, .. } => json_of(answer),
        WorkerMessage::Display { body, .. } | WorkerMessage::Item { body, is_handle: true, .. } => {
            Some((body, Shape::Object))
        }
        WorkerMessage::Item { body, is_handle: false, .. } => Some((body, Shape::Any)),
        _ => None,
    }
}

fn json_of(answer: &mut WorkerAnswer) -> Option<(&mut Chunks, Shape)> {
    match answer {
        WorkerAnswer::Value(body) => Some((body, Shape::Any)),
        WorkerAnswer::Handle(body) | WorkerAnswer::Object(body) | WorkerAnswer::Exception(body) => {
            Some((body, Shape::Object))
        }
        WorkerAnswer::Late { answer, .. } => json_of(answer),
        _ => None,
    }
}

/// Whether this is JSON of that shape. Afterwards it is in one piece.
pub(crate) fn is_json(body: &mut Chunks, shape: Shape) -> bool {
    let bytes = body.join();
    (shape == Shape::Any || is_object(bytes))
        && std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Whether JSON is an object that others are made of by its first and its last byte: no blanks before its first key, nor around it.
pub(crate) fn is_object(json: &[u8]) -> bool {
    json == b"{}" || json.starts_with(b"{\"") && json.ends_with(b"}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_of_its_shape_is_passed_on() {
        let is = |json: &[u8], shape| {
            // However it comes.
            let pieces = |size| json.chunks(size).map(|piece| piece.to_vec().into()).collect::<Chunks>();
            let found = is_json(&mut pieces(json.len().max(1)), shape);
            assert_eq!(is_json(&mut pieces(1), shape), found, "{}", String::from_utf8_lossy(json));
            found
        };
        for object in [&br#"{"a":1}"#[..], b"{}", "{\"ä€𝄞\":\"ä€𝄞\"}".as_bytes()] {
            assert!(is(object, Shape::Object) && is(object, Shape::Any));
        }
        for other in [&b"[1]"[..], b"1", br#"{"a":1} "#, br#" {"a":1}"#, br#"{ "a":1}"#, b"{ }", b"\"{\"", b"{}\n"] {
            assert!(is(other, Shape::Any) && !is(other, Shape::Object), "{}", String::from_utf8_lossy(other));
        }
        for broken in
            [&b""[..], b"{broken", b"1}, {", b"\xff", b"\"\xff\"", br#"{"a":1}, {"b":1}"#, b"{\"a\":\"\xe2\x82\"}"]
        {
            assert!(!is(broken, Shape::Any) && !is(broken, Shape::Object), "{}", String::from_utf8_lossy(broken));
        }
    }
}
