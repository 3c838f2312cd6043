//! Frames of the worker wire: a header of 16 bytes, little-endian, then a body.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 4 | length of the body, at most [`MAX_BODY`] |
//! | 4 | 1 | kind |
//! | 5 | 1 | flags |
//! | 6 | 2 | version of the wire, [`VERSION`] |
//! | 8 | 8 | id of the request |

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, BufMut, BytesMut};

use crate::worker::chunks::Chunks;

/// The size of a header in bytes.
pub(crate) const HEADER_BYTES: usize = 16;
/// The largest body of one frame; a longer message continues in further frames.
pub(crate) const MAX_BODY: usize = 1 << 20;
/// The largest message, of all its frames together.
pub(crate) const MAX_MESSAGE: usize = 1 << 30;
/// What messages may take of which more is to come, over all workers of this process; beyond it no link may have more than its share.
const MAX_PARTIAL: usize = MAX_MESSAGE;
/// What a link may always have of it, so that one that holds nearly all stops no other.
const SHARE: usize = 16 << 20;
/// How many such messages one link may have. A worker has as many calls at once as it was sent ahead, and no more answers.
const MAX_UNFINISHED: usize = 1024;
/// What is kept for each part beside its bytes: code that writes to the link may send as many empty ones as it likes.
const PART_COST: usize = 256;
/// The version of the wire.
pub(crate) const VERSION: u16 = 1;

/// Flags of a frame.
pub(crate) mod flag {
    /// The message continues in the next frame of this id.
    pub(crate) const MORE: u8 = 1;
    /// On a request: answer in the exact form.
    pub(crate) const EXACT: u8 = 2;
    /// On a request: it was sent while others were unanswered.
    pub(crate) const PIPELINED: u8 = 4;
    /// On a request: its client accepts events before the answer.
    pub(crate) const EVENTS: u8 = 8;
    /// On a request: its client answers `input()`.
    pub(crate) const STDIN: u8 = 16;
    /// On a request: its client answers callbacks.
    pub(crate) const CALLBACKS: u8 = 32;
    /// On a request: its client takes data as the answer.
    pub(crate) const DATA: u8 = 64;
    /// On a request: descriptors were sent for it over the data link.
    pub(crate) const ATTACHED: u8 = 128;
}

/// Kinds of answers. The kinds of requests are the numbers of the operations.
pub(crate) mod kind {
    /// Before a request, with its id: `{"handles"?, "resultBytes"?, "leaseMs"?}`, its limits. With id 0: the limits of
    /// all, and `dataBytes` and `dataCount` of the session.
    pub(crate) const REQUEST_LIMITS: u8 = 32;
    /// Before the first request: `{"env"?, "setup"?}`, answered by an object or an exception.
    pub(crate) const SETUP: u8 = 33;
    /// A JSON value.
    pub(crate) const VALUE: u8 = 64;
    /// A JSON object that describes a new handle.
    pub(crate) const HANDLE: u8 = 65;
    /// A JSON object that is the whole answer.
    pub(crate) const OBJECT: u8 = 66;
    /// 32-bit floats, little-endian.
    pub(crate) const FLOATS: u8 = 67;
    /// u32 rows, u32 length of each, then the floats of all.
    pub(crate) const FLOAT_ROWS: u8 = 68;
    /// `{"detail", "exception"}`: Python raised.
    pub(crate) const EXCEPTION: u8 = 69;
    /// `{"code", "detail"}`: the request is invalid or exceeds a limit.
    pub(crate) const REJECTED: u8 = 70;
    /// `started`, or nothing: the request was cancelled.
    pub(crate) const CANCELLED: u8 = 71;
    /// The first frame of a worker: `{"pid", "python"}`.
    pub(crate) const READY: u8 = 72;
    /// `{"number", "data"}`: bytes, an array or a table, whose memory came over the data link.
    pub(crate) const DATA: u8 = 73;
    /// u32 length of the JSON, `{"data"}`, then the bytes: the worker could not make such memory.
    pub(crate) const DATA_INLINE: u8 = 74;
    /// u8 kind, then the answer of that kind: an interrupt reached its code, which caught it and went on.
    pub(crate) const LATE: u8 = 75;
    /// Before the answer: `{"data", "metadata"?}`, a MIME bundle.
    pub(crate) const DISPLAY: u8 = 80;
    /// Before the answer: one item of a stream, a JSON value.
    pub(crate) const ITEM: u8 = 81;
    /// Before the answer: one item of a stream, a JSON object that describes a new handle.
    pub(crate) const ITEM_HANDLE: u8 = 82;
    /// Before the answer of the call around it: u64 id, u8 kind, the answer.
    pub(crate) const NESTED_ANSWER: u8 = 83;
    /// On the host pair: `{"method", "params", "progress"}`, a call from Python.
    pub(crate) const HOST_CALL: u8 = 96;
    pub(crate) const WITHDRAW: u8 = 103;
    pub(crate) const DEBUGGER: u8 = 104;
    /// On the host pair: the answer to a call from Python, a JSON value.
    pub(crate) const HOST_RESULT: u8 = 97;
    /// On the host pair: `{"code", "detail"}`.
    pub(crate) const HOST_ERROR: u8 = 98;
    /// On the host pair: the progress of a call, JSON; the result follows later.
    pub(crate) const HOST_PROGRESS: u8 = 99;
    /// On the host pair: u8 operation, u8 flags, u64 id, u32 length of the limits, the limits, the request; to be run while
    /// the call waits.
    pub(crate) const NESTED: u8 = 100;
    /// On the host pair: u64 id of a request, then as a call from Python: one that concerns the client of that request.
    pub(crate) const CLIENT_CALL: u8 = 101;
    /// On the host pair, with the id of a request: u8 descriptor, the bytes that code of that request wrote to it.
    pub(crate) const OUTPUT: u8 = 102;
}

/// A frame that violates the wire protocol; the worker that sent it cannot be trusted with further ones.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// Another version.
    #[error("the worker sent a frame of wire version {found}; this host speaks version {VERSION}")]
    Version {
        /// The version in the frame.
        found: u16,
    },
    /// A body over the limit.
    #[error("the worker sent a frame of {length} bytes; the limit is {MAX_BODY}")]
    FrameTooLong {
        /// The length in the frame.
        length: usize,
    },
    /// The answer is no JSON, or no object where one is wanted.
    #[error("the worker sent an answer that is not JSON of its kind")]
    NotJson,
    /// Too many messages of which more is to come.
    #[error("the worker began another message where {MAX_UNFINISHED} were unfinished, as many as may be")]
    TooManyParts,
    /// No fault of the worker: the host has no more memory for messages of which more is to come.
    #[error(
        "the host has no memory for an answer of this size: the unfinished answers of all sessions have {MAX_PARTIAL} bytes, as many \
         as they may"
    )]
    NoMemory,
    /// A message of a kind that is not of this link.
    #[error("the worker sent a message that has no place among its calls to the host")]
    Misplaced,
    /// A message over the limit.
    #[error("the worker sent a message of more than {limit} bytes")]
    MessageTooLong {
        /// The largest message accepted.
        limit: usize,
    },
}

/// A complete message.
#[derive(Debug)]
pub(crate) struct Message {
    /// See [`kind`].
    pub(crate) kind: u8,
    /// The id of its request.
    pub(crate) id: u64,
    /// Its body.
    pub(crate) body: Chunks,
}

/// Appends a message to `out`, in as many frames as needed.
pub(crate) fn encode(out: &mut BytesMut, kind: u8, flags: u8, id: u64, body: &[u8]) {
    let mut rest = body;
    loop {
        let (part, after) = rest.split_at(rest.len().min(MAX_BODY));
        let more = if after.is_empty() { 0 } else { flag::MORE };
        out.reserve(HEADER_BYTES + part.len());
        out.put_u32_le(part.len() as u32);
        out.put_u8(kind);
        out.put_u8(flags | more);
        out.put_u16_le(VERSION);
        out.put_u64_le(id);
        out.put_slice(part);
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}

/// What the parts of messages that are not complete take, over all workers of this process.
static PARTIAL: AtomicUsize = AtomicUsize::new(0);

/// A message of which more is to come.
#[derive(Debug, Default)]
struct Partial {
    body: Chunks,
    /// What it takes, with what is kept for each part.
    cost: usize,
}

/// Assembles messages from bytes as they arrive.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// What all links hold.
    all: &'static AtomicUsize,
    partial: HashMap<u64, Partial>,
    held: usize,
    max_message: usize,
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.all.fetch_sub(self.held, Ordering::Relaxed);
    }
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::with_limit(MAX_MESSAGE)
    }
}

impl Decoder {
    /// A decoder that buffers at most so many bytes of incomplete messages.
    pub(crate) fn with_limit(max_message: usize) -> Decoder {
        Decoder { all: &PARTIAL, partial: HashMap::new(), held: 0, max_message }
    }

    /// Takes the next complete message out of `buffer`; `None` if more bytes are needed.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, FrameError> {
        loop {
            if buffer.len() < HEADER_BYTES {
                return Ok(None);
            }
            let mut header = &buffer[..HEADER_BYTES];
            let length = header.get_u32_le() as usize;
            let (kind, flags, version, id) =
                (header.get_u8(), header.get_u8(), header.get_u16_le(), header.get_u64_le());
            if version != VERSION {
                return Err(FrameError::Version { found: version });
            }
            if length > MAX_BODY {
                return Err(FrameError::FrameTooLong { length });
            }
            if buffer.len() < HEADER_BYTES + length {
                buffer.reserve(HEADER_BYTES + length - buffer.len());
                return Ok(None);
            }
            buffer.advance(HEADER_BYTES);
            let piece = buffer.split_to(length).freeze();
            if flags & flag::MORE != 0 {
                let cost = length + PART_COST;
                if self.held + cost > self.max_message {
                    return Err(FrameError::MessageTooLong { limit: self.max_message });
                }
                let others = self.all.fetch_add(cost, Ordering::Relaxed);
                self.held += cost;
                let is_one_too_many = self.partial.len() == MAX_UNFINISHED && !self.partial.contains_key(&id);
                if is_one_too_many {
                    return Err(FrameError::TooManyParts);
                }
                if others + cost > MAX_PARTIAL && self.held > SHARE {
                    return Err(FrameError::NoMemory);
                }
                let partial = self.partial.entry(id).or_default();
                partial.body.push(piece);
                partial.cost += cost;
                continue;
            }
            let body = match self.partial.remove(&id) {
                Some(Partial { mut body, cost }) => {
                    self.held -= cost;
                    self.all.fetch_sub(cost, Ordering::Relaxed);
                    body.push(piece);
                    body
                }
                None => Chunks::from(piece),
            };
            return Ok(Some(Message { kind, id, body }));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn decode_all(decoder: &mut Decoder, buffer: &mut BytesMut) -> Vec<Message> {
        std::iter::from_fn(|| decoder.next(buffer).expect("valid frames")).collect()
    }

    #[test]
    fn a_message_survives_any_split() {
        let mut wire = BytesMut::new();
        encode(&mut wire, 1, flag::EXACT, 33, b"first");
        encode(&mut wire, 2, 0, 34, b"");
        assert_eq!((wire[5], wire[HEADER_BYTES + 5 + 5]), (flag::EXACT, 0));
        for split in 0..wire.len() {
            let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::from(&wire[..split]));
            let mut got = decode_all(&mut decoder, &mut buffer);
            buffer.extend_from_slice(&wire[split..]);
            got.extend(decode_all(&mut decoder, &mut buffer));
            let seen: Vec<_> = got.iter().map(|m| (m.kind, m.id, m.body.contiguous())).collect();
            assert_eq!(seen, [(1, 33, Bytes::from("first")), (2, 34, Bytes::new())]);
        }
    }

    #[test]
    fn long_messages_interleave() {
        let long = vec![7u8; MAX_BODY * 2 + 5];
        let mut wire = BytesMut::new();
        encode(&mut wire, 1, 0, 1, &long);
        let mut other = BytesMut::new();
        encode(&mut other, 2, 0, 2, b"between");
        let mut mixed = wire.split_to(HEADER_BYTES + MAX_BODY);
        mixed.unsplit(other);
        mixed.extend_from_slice(&wire);
        let got = decode_all(&mut Decoder::default(), &mut mixed);
        assert_eq!(got.iter().map(|m| m.id).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(got[1].body.contiguous(), long);
    }

    #[test]
    fn invalid_frames_are_rejected() {
        let mut wire = BytesMut::new();
        encode(&mut wire, 1, 0, 1, b"x");
        wire[6] = 9;
        assert!(matches!(Decoder::default().next(&mut wire.clone()), Err(FrameError::Version { found: 9 })));
        wire[6] = VERSION as u8;
        wire[3] = 0xff;
        assert!(matches!(Decoder::default().next(&mut wire), Err(FrameError::FrameTooLong { .. })));
    }

    #[test]
    fn a_link_that_holds_nearly_all_stops_only_what_is_large() {
        static ALL: AtomicUsize = AtomicUsize::new(MAX_PARTIAL);
        let mut decoder = Decoder { all: &ALL, partial: HashMap::new(), held: 0, max_message: MAX_MESSAGE };
        let mut wire = BytesMut::new();
        encode(&mut wire, 1, 0, 1, &vec![7; SHARE - MAX_BODY]);
        assert_eq!(decode_all(&mut decoder, &mut wire).len(), 1);
        encode(&mut wire, 1, 0, 1, &vec![7; SHARE + 2 * MAX_BODY]);
        assert!(matches!(decoder.next(&mut wire), Err(FrameError::NoMemory)));
        drop(decoder);
        assert_eq!(ALL.load(Ordering::Relaxed), MAX_PARTIAL);
    }
}
