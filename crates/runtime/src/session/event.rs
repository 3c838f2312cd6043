//! The events of a call: output, displays, stream items and requests to its client, then its response.

use bytes::Bytes;

use crate::session::call::Response;
use crate::session::output::OutputPiece;
use crate::worker::chunks::Chunks;

/// One event of a call, in the order in which it happened. [`Event::Response`] is the last one.
#[derive(Debug)]
pub enum Event {
    /// It was written to standard output. Bytes that are not UTF-8 are replaced, unless the subscriber takes raw output.
    Stdout(OutputPiece),
    /// It was written to standard error.
    Stderr(OutputPiece),
    /// Display data of an object: `{"data": {MIME: VALUE}, "metadata"?, "displayId"?, "isUpdate"?, "isResult"?}`.
    Display(Chunks),
    /// A log record: `{"level", "logger", "message", "exception"?}`.
    Log(Chunks),
    /// How far the code is: `{"done", "total"?, "message"?}`.
    Progress(Chunks),
    /// One item of a stream: a JSON value.
    Item(Chunks),
    /// One item of a stream: a JSON object that describes a new handle.
    ItemHandle(Chunks),
    /// The code waits for an answer of the client.
    ClientRequest(ClientRequest),
    /// The client clears what the call has shown.
    ClearOutput {
        /// Not before it shows something else.
        wait: bool,
    },
    /// The session has this epoch from now on: `{"sessionId", "sessionEpoch", "death"?}`. Among a session's events only.
    Session(Chunks),
    /// The call, or the session, has ended.
    Response(Box<Response>),
}

/// A request of Python code to the client of its call.
#[derive(Debug)]
pub struct ClientRequest {
    /// Its id in the session. The client's answer carries it, and so do the calls that are to run while the code waits.
    pub id: String,
    /// Its kind.
    pub kind: ClientRequestKind,
    /// A JSON object: `{"prompt", "password"?}` for input, `{"name", "nested", "args", "kwargs"}` for a callback.
    pub body: Bytes,
}

/// What a client is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientRequestKind {
    /// A line for `input()`.
    Input,
    /// The result of a callback.
    Callback,
}
