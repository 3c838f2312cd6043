//! What host and worker say to each other: one enum for each direction. `WORKER.md` shows the same by example.
//!
//! [`HostMessage::encode`] and [`WorkerMessage::decode`] are the only places that know the numbers of kinds and flags.

use std::fmt;
use std::sync::Arc;

use beep_python_protocol::{Capabilities, DataDescriptor, Operation, Problem, ValueForm};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Deserialize;

use crate::worker::chunks::Chunks;
use crate::worker::data_ledger::HeldMemory;
use crate::worker::datum::{Datum, DatumMemory};
use crate::worker::frame::{Message, encode, flag, kind};
use crate::worker::request_limits::RequestLimits;
use crate::worker::shared_page::SLOTS;

/// The id of a request on the wire. Its low bits are the request's slot on the shared page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WireId(pub u64);

impl WireId {
    /// The id of a request in this slot, the `sequence`th that is sent; sequences begin at 1.
    pub(crate) fn new(sequence: u64, slot: usize) -> WireId {
        WireId(sequence * SLOTS as u64 + slot as u64)
    }

    /// The slot: below [`SLOTS`], of a nested request without the offset that nested slots have on the page.
    pub(crate) fn slot(self) -> usize {
        (self.0 % SLOTS as u64) as usize
    }
}

/// How a client takes data as the answer of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TakesData {
    /// Not at all: it gets a handle of them.
    #[default]
    No,
    /// As bytes, which this host reads: they may lie in memory that is used again.
    Bytes,
    /// As memory, which it keeps.
    Memory,
}

/// A request, as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct WireRequest {
    /// Its id.
    pub(crate) id: WireId,
    /// The operation; its number is the kind of the frame.
    pub(crate) operation: Operation,
    /// The form of values in its arguments and its answer.
    pub(crate) form: ValueForm,
    /// What the worker enforces; `None` as a rule, which costs no frame.
    pub(crate) limits: Option<RequestLimits>,
    /// The JSON object that the operation takes.
    pub(crate) body: Bytes,
    /// The data that go with it over the data link.
    pub(crate) data: Vec<Arc<HeldMemory>>,
    /// How its client takes data as the answer.
    pub(crate) takes: TakesData,
    /// Whether memory for the answer was sent over the data link.
    pub(crate) lends: bool,
}

impl WireRequest {
    fn flags(&self) -> u8 {
        let exact = if self.form == ValueForm::Exact { flag::EXACT } else { 0 };
        let takes_data = if self.takes == TakesData::No { 0 } else { flag::DATA };
        let is_attached = self.lends || !self.data.is_empty();
        exact | takes_data | if is_attached { flag::ATTACHED } else { 0 }
    }
}

/// A message of the host.
#[derive(Clone, Debug)]
pub(crate) enum HostMessage {
    /// `{"env", "setup"}`: what makes the session, before any request. Its answer has the id 0.
    Setup(Bytes),
    /// What every request may take. Sent first on a link.
    SessionLimits(RequestLimits),
    /// A request on the link.
    Request {
        /// The request.
        request: WireRequest,
        /// Whether other requests were unanswered when it was sent.
        pipelined: bool,
        /// What its client answers, where it takes events; `None` where it takes nothing but the answer.
        events: Option<Capabilities>,
    },
    /// On the host pair: a request for the thread that waits for the result of `host_call`.
    Nested {
        /// The id of the call from Python that waits.
        host_call: u64,
        /// The request.
        request: WireRequest,
    },
    /// On the host pair: the result of a call from Python, a JSON value.
    HostResult {
        /// The id of the call.
        id: u64,
        /// The result.
        body: Bytes,
    },
    /// On the host pair: `{"code", "detail"}`, why a call from Python failed.
    HostError {
        /// The id of the call.
        id: u64,
        /// The error.
        body: Bytes,
    },
    /// On the host pair: how far a call from Python has come; its result is still to come.
    HostProgress {
        /// The id of the call.
        id: u64,
        /// The progress, a JSON object.
        body: Bytes,
    },
}

impl HostMessage {
    /// Appends the message's frames to `out`.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        match self {
            HostMessage::Setup(body) => encode(out, kind::SETUP, 0, 0, body),
            HostMessage::SessionLimits(limits) => encode_limits(out, WireId(0), Some(limits)),
            HostMessage::Request { request, pipelined, events } => {
                let WireRequest { id, operation, limits, body, .. } = request;
                encode_limits(out, *id, limits.as_ref());
                let mut flags = request.flags();
                flags |= if *pipelined { flag::PIPELINED } else { 0 };
                flags |= events.map_or(0, capability_flags);
                encode(out, operation.number(), flags, id.0, body);
            }
            HostMessage::Nested { host_call, request } => {
                let WireRequest { id, operation, limits, body, .. } = request;
                let limits = limits.as_ref().and_then(RequestLimits::to_json).unwrap_or_default();
                let mut nested = BytesMut::with_capacity(14 + limits.len() + body.len());
                nested.put_u8(operation.number());
                nested.put_u8(request.flags());
                nested.put_u64_le(id.0);
                nested.put_u32_le(limits.len() as u32);
                nested.put_slice(&limits);
                nested.put_slice(body);
                encode(out, kind::NESTED, 0, *host_call, &nested);
            }
            HostMessage::HostResult { id, body } => encode(out, kind::HOST_RESULT, 0, *id, body),
            HostMessage::HostError { id, body } => encode(out, kind::HOST_ERROR, 0, *id, body),
            HostMessage::HostProgress { id, body } => encode(out, kind::HOST_PROGRESS, 0, *id, body),
        }
    }
}

fn encode_limits(out: &mut BytesMut, id: WireId, limits: Option<&RequestLimits>) {
    if let Some(json) = limits.and_then(RequestLimits::to_json) {
        encode(out, kind::REQUEST_LIMITS, 0, id.0, &json);
    }
}

fn capability_flags(capabilities: Capabilities) -> u8 {
    let stdin = if capabilities.stdin { flag::STDIN } else { 0 };
    let callbacks = if capabilities.callbacks { flag::CALLBACKS } else { 0 };
    flag::EVENTS | stdin | callbacks
}

/// How a worker answers a request. Bodies are as the worker wrote them.
#[derive(Debug)]
pub(crate) enum WorkerAnswer {
    /// A JSON value.
    Value(Chunks),
    /// A JSON object that describes a new handle.
    Handle(Chunks),
    /// A JSON object that is the whole answer.
    Object(Chunks),
    /// Little-endian 32-bit floats.
    Floats(Chunks),
    /// u32 count of rows, u32 length of each, then the little-endian 32-bit floats of all.
    FloatRows(Chunks),
    /// `{"detail", "exception"}`: Python raised.
    Exception(Chunks),
    /// `{"code", "detail"}`: the request cannot be carried out.
    Rejected(Chunks),
    /// Data, whose memory the data link has.
    Data {
        /// The number of the memory on the data link; 0 where it is what was lent for the answer.
        number: u64,
        /// What it is.
        descriptor: DataDescriptor,
    },
    /// Data in full; or why there are none, though the worker has sent them.
    Datum(Box<Result<Datum, Problem>>),
    /// The request was cancelled, after it had started or before.
    Cancelled {
        /// `{"detail", "exception", "results"?}`; nothing if it had not started.
        told: Bytes,
    },
    /// The answer of a call whose code an interrupt has reached, and which went on to its end.
    Late {
        /// The answer.
        answer: Box<WorkerAnswer>,
        /// Where the interrupt reached it: a JSON list of frames.
        at: Bytes,
    },
    /// An answer of a kind that this host does not know.
    Unknown(u8),
}

impl WorkerAnswer {
    fn decode(kind: u8, body: Chunks) -> WorkerAnswer {
        match kind {
            kind::VALUE => WorkerAnswer::Value(body),
            kind::HANDLE => WorkerAnswer::Handle(body),
            kind::OBJECT => WorkerAnswer::Object(body),
            kind::FLOATS => WorkerAnswer::Floats(body),
            kind::FLOAT_ROWS => WorkerAnswer::FloatRows(body),
            kind::EXCEPTION => WorkerAnswer::Exception(body),
            kind::REJECTED => WorkerAnswer::Rejected(body),
            kind::CANCELLED => WorkerAnswer::Cancelled { told: body.contiguous() },
            kind::DATA => decode_data(&body.contiguous()).unwrap_or(WorkerAnswer::Unknown(kind)),
            kind::DATA_INLINE => decode_data_inline(body).unwrap_or(WorkerAnswer::Unknown(kind)),
            kind::LATE => decode_late(body).unwrap_or(WorkerAnswer::Unknown(kind)),
            other => WorkerAnswer::Unknown(other),
        }
    }
}

/// A message of a worker.
#[derive(Debug)]
pub(crate) enum WorkerMessage {
    /// The first: the worker takes requests now.
    Ready,
    /// The answer to a request.
    Answer {
        /// The request.
        id: WireId,
        /// The answer.
        answer: WorkerAnswer,
    },
    /// The answer to a nested request.
    NestedAnswer {
        /// The nested request.
        id: WireId,
        /// The answer.
        answer: WorkerAnswer,
    },
    /// Before the answer: `{"data", "metadata"?}`, an object as it shows itself.
    Display {
        /// The request.
        id: WireId,
        /// The object.
        body: Chunks,
    },
    /// Before the answer: one item of a stream.
    Item {
        /// The request.
        id: WireId,
        /// A JSON value, or a JSON object that describes a new handle.
        body: Chunks,
        /// Whether it is a handle.
        is_handle: bool,
    },
    /// On the host pair: a call from Python.
    HostCall {
        /// The id of the call.
        id: u64,
        /// `{"method", "params", "progress"}`.
        body: Bytes,
    },
    /// On the host pair: nobody waits any more for the result of a call from Python.
    Withdraw {
        /// The id of the call.
        id: u64,
    },
    /// On the host pair: a call from Python that concerns the client of a request.
    ClientCall {
        /// The id of the call.
        id: u64,
        /// The request that the calling code belongs to.
        of: WireId,
        /// `{"method", "params"}`.
        body: Bytes,
    },
    /// On the host pair: what code has written that belongs to another request than the one that runs.
    Output {
        /// That request.
        of: WireId,
        /// Whether it was written to standard error.
        stderr: bool,
        /// The bytes.
        bytes: Bytes,
    },
    /// On the host pair: what became of the debugger that the host asked for while a request runs.
    Debugger {
        /// The answer of `_debugger.py`.
        body: Bytes,
    },
}

impl WorkerMessage {
    /// What a whole message says. A nested answer that is cut short belongs to no request and is an answer of no known id.
    pub(crate) fn decode(message: Message) -> WorkerMessage {
        let Message { kind, id: number, body, .. } = message;
        let id = WireId(number);
        match kind {
            kind::READY => WorkerMessage::Ready,
            kind::DISPLAY => WorkerMessage::Display { id, body },
            kind::ITEM => WorkerMessage::Item { id, body, is_handle: false },
            kind::ITEM_HANDLE => WorkerMessage::Item { id, body, is_handle: true },
            kind::NESTED_ANSWER => decode_nested(body),
            kind::WITHDRAW => WorkerMessage::Withdraw { id: number },
            kind::DEBUGGER => WorkerMessage::Debugger { body: body.contiguous() },
            kind::HOST_CALL => WorkerMessage::HostCall { id: number, body: body.contiguous() },
            kind::CLIENT_CALL => decode_client_call(number, body),
            kind::OUTPUT => {
                let mut bytes = body.contiguous();
                let stderr = bytes.try_get_u8() == Ok(2);
                WorkerMessage::Output { of: id, stderr, bytes }
            }
            _ => WorkerMessage::Answer { id, answer: WorkerAnswer::decode(kind, body) },
        }
    }
}

/// Names the message and its id, for the log. Never its body: that is the user's.
impl fmt::Display for WorkerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkerMessage::Ready => write!(f, "ready"),
            WorkerMessage::Answer { id, .. } => write!(f, "answer {}", id.0),
            WorkerMessage::NestedAnswer { id, .. } => write!(f, "nested answer {}", id.0),
            WorkerMessage::Display { id, body } => write!(f, "display of {}, {} bytes", id.0, body.len()),
            WorkerMessage::Item { id, body, .. } => write!(f, "item of {}, {} bytes", id.0, body.len()),
            WorkerMessage::Debugger { .. } => write!(f, "the debugger"),
            WorkerMessage::Withdraw { id } => write!(f, "host call {id} is withdrawn"),
            WorkerMessage::HostCall { id, body } => write!(f, "host call {id}, {} bytes", body.len()),
            WorkerMessage::ClientCall { id, of, body } => {
                write!(f, "host call {id} for the client of {}, {} bytes", of.0, body.len())
            }
            WorkerMessage::Output { of, bytes, .. } => write!(f, "output of {}, {} bytes", of.0, bytes.len()),
        }
    }
}

/// u64 id, u8 kind, then the body of the answer.
fn decode_nested(mut body: Chunks) -> WorkerMessage {
    let mut first = body.pop().unwrap_or_default();
    let (Ok(id), Ok(kind)) = (first.try_get_u64_le(), first.try_get_u8()) else {
        return WorkerMessage::NestedAnswer { id: WireId(0), answer: WorkerAnswer::Unknown(0) };
    };
    body.push_front(first);
    WorkerMessage::NestedAnswer { id: WireId(id), answer: WorkerAnswer::decode(kind, body) }
}

/// u64 id of the request, then the call. One that is cut short belongs to no request.
fn decode_client_call(id: u64, body: Chunks) -> WorkerMessage {
    let mut body = body.contiguous();
    let of = WireId(body.try_get_u64_le().unwrap_or_default());
    WorkerMessage::ClientCall { id, of, body }
}

#[derive(Deserialize)]
struct DataFrame {
    #[serde(default)]
    number: u64,
    data: DataDescriptor,
}

fn decode_late(mut body: Chunks) -> Option<WorkerAnswer> {
    let mut first = body.pop()?;
    let kind = first.try_get_u8().ok().filter(|kind| *kind != kind::LATE)?;
    let length = first.try_get_u32_le().ok()? as usize;
    let at = (length <= first.len()).then(|| first.split_to(length))?;
    body.push_front(first);
    Some(WorkerAnswer::Late { answer: Box::new(WorkerAnswer::decode(kind, body)), at })
}

fn decode_data(body: &[u8]) -> Option<WorkerAnswer> {
    let DataFrame { number, data: descriptor } = serde_json::from_slice(body).ok()?;
    Some(WorkerAnswer::Data { number, descriptor })
}

fn decode_data_inline(mut body: Chunks) -> Option<WorkerAnswer> {
    let mut first = body.pop()?; // a frame is larger than a descriptor
    let length = first.try_get_u32_le().ok()? as usize;
    let json = (length <= first.len()).then(|| first.split_to(length))?;
    let DataFrame { data: descriptor, .. } = serde_json::from_slice(&json).ok()?;
    let bytes = std::iter::once(first).chain(std::iter::from_fn(|| body.pop())).collect();
    let datum = Datum { descriptor, memory: DatumMemory::Inline(bytes) };
    Some(WorkerAnswer::Datum(Box::new(Ok(datum))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::frame::Decoder;

    fn request(limits: Option<RequestLimits>) -> WireRequest {
        let body = Bytes::from_static(br#"{"expression":"1"}"#);
        WireRequest {
            id: WireId::new(1, 1),
            operation: Operation::Evaluate,
            form: ValueForm::Exact,
            limits,
            body,
            data: Vec::new(),
            takes: TakesData::No,
            lends: false,
        }
    }

    fn messages(message: &HostMessage) -> Vec<Message> {
        let (mut out, mut decoder) = (BytesMut::new(), Decoder::default());
        message.encode(&mut out);
        std::iter::from_fn(|| decoder.next(&mut out).expect("valid frames")).collect()
    }

    #[test]
    fn request_carries_its_flags() {
        let events = Some(Capabilities { stdin: true, ..Capabilities::NONE });
        let message = HostMessage::Request { request: request(None), pipelined: true, events };
        let sent = messages(&message);
        assert_eq!(sent.len(), 1, "a request without limits is one message");
        assert_eq!((sent[0].kind, sent[0].id), (1, 33));
        let mut out = BytesMut::new();
        message.encode(&mut out);
        assert_eq!(out[5], flag::EXACT | flag::PIPELINED | flag::EVENTS | flag::STDIN);
    }

    #[test]
    fn limits_of_a_request_come_before_it() {
        let limits = Some(RequestLimits { handles: Some(3), ..RequestLimits::default() });
        let sent = messages(&HostMessage::Request { request: request(limits), pipelined: false, events: None });
        let seen: Vec<_> = sent.iter().map(|message| (message.kind, message.id)).collect();
        assert_eq!(seen, [(kind::REQUEST_LIMITS, 33), (1, 33)]);
        assert_eq!(sent[0].body.contiguous(), &br#"{"handles":3}"#[..]);
    }

    #[test]
    fn limits_that_limit_nothing_are_not_sent() {
        assert!(messages(&HostMessage::SessionLimits(RequestLimits::default())).is_empty());
    }

    #[test]
    fn every_kind_of_message_is_decoded() {
        let decode = |kind, body: &'static [u8]| {
            let body = Chunks::from(Bytes::from_static(body));
            WorkerMessage::decode(Message { kind, id: 33, body })
        };
        assert!(matches!(decode(kind::READY, b"{}"), WorkerMessage::Ready));
        assert!(matches!(decode(kind::ITEM_HANDLE, b"{}"), WorkerMessage::Item { is_handle: true, .. }));
        assert!(matches!(
            decode(kind::CANCELLED, b""),
            WorkerMessage::Answer { id: WireId(33), answer: WorkerAnswer::Cancelled { told } } if told.is_empty()
        ));
        assert!(matches!(
            decode(kind::LATE, b"\x40\x02\0\0\0[]7"),
            WorkerMessage::Answer { answer: WorkerAnswer::Late { answer, at }, .. }
                if at == "[]" && matches!(*answer, WorkerAnswer::Value(_))
        ));
        assert!(matches!(
            decode(kind::LATE, b"\x40\x09\0\0\0[]7"),
            WorkerMessage::Answer { answer: WorkerAnswer::Unknown(kind::LATE), .. }
        ));
        assert!(matches!(
            decode(kind::NESTED_ANSWER, b"\x41\0\0\0\0\0\0\0\x407"),
            WorkerMessage::NestedAnswer { id: WireId(65), answer: WorkerAnswer::Value(_) }
        ));
        assert!(matches!(
            decode(kind::NESTED_ANSWER, b"\x41"),
            WorkerMessage::NestedAnswer { id: WireId(0), answer: WorkerAnswer::Unknown(0) }
        ));
        assert!(matches!(
            decode(kind::CLIENT_CALL, b"\x41\0\0\0\0\0\0\0{}"),
            WorkerMessage::ClientCall { id: 33, of: WireId(65), .. }
        ));
        assert!(matches!(decode(kind::CLIENT_CALL, b"{}"), WorkerMessage::ClientCall { of: WireId(0), .. }));
        assert!(matches!(
            decode(kind::OUTPUT, b"\x02a"),
            WorkerMessage::Output { of: WireId(33), stderr: true, bytes } if bytes == "a"
        ));
        assert!(matches!(decode(250, b""), WorkerMessage::Answer { answer: WorkerAnswer::Unknown(250), .. }));
    }
}
