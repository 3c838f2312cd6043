//! What is asked of a session, and what it answers.

use std::time::Duration;

use beep_python_protocol::{CallLimits, Operation, Problem, ValueForm};
use bytes::Bytes;

use crate::session::output::CapturedOutput;
use crate::worker::frame::Body;

/// One operation to carry out.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which.
    pub operation: Operation,
    /// Its body: the JSON object that the operation takes on HTTP, passed through as it is.
    pub body: Bytes,
    /// How values in the answer are written.
    pub form: ValueForm,
    /// How long it may take from now, waiting for its turn included; the session's own limit when not given.
    pub deadline: Option<Duration>,
    /// How long it may take to stop when it is interrupted, before its worker is killed; the session's own when not
    /// given. Zero kills at once.
    pub grace: Option<Duration>,
    /// What it may take, where that is less than what its session may.
    pub limits: Option<Box<CallLimits>>,
    /// For how long the handles that it makes may be unused before they are released; for ever when not given.
    pub lease: Option<Duration>,
    /// What it can be cancelled by.
    pub name: Option<RequestId>,
    /// Whether it is cancelled when nobody waits for its answer any more.
    pub cancel_on_disconnect: bool,
}

/// What a client calls one of its calls, so that it can cancel it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    connection: u64,
    id: Bytes,
}

impl RequestId {
    /// A name that every client of the host can use.
    pub fn new(id: impl Into<Bytes>) -> RequestId {
        RequestId { connection: 0, id: id.into() }
    }

    /// A name that means something on one connection only, which has this number; not 0.
    pub fn on_connection(connection: u64, id: impl Into<Bytes>) -> RequestId {
        RequestId { connection, id: id.into() }
    }
}

impl Request {
    /// A request in the plain form without limits of its own.
    pub fn new(operation: Operation, body: impl Into<Bytes>) -> Request {
        Request {
            operation,
            body: body.into(),
            form: ValueForm::Plain,
            deadline: None,
            grace: None,
            limits: None,
            lease: None,
            name: None,
            cancel_on_disconnect: false,
        }
    }
}

/// What a session answers.
#[derive(Debug)]
pub struct Response {
    /// The answer.
    pub result: CallResult,
    /// What the code wrote.
    pub output: CapturedOutput,
    /// The session's epoch: 1 at first, one more after each restart.
    pub epoch: u64,
}

/// The outcome of an operation. Bodies are as the worker wrote them.
#[derive(Debug)]
pub enum CallResult {
    /// A JSON value.
    Value(Body),
    /// A JSON object that describes a new handle: `{"isHandle":true,"handleId",…}`.
    Handle(Body),
    /// A JSON object that is the whole answer.
    Object(Body),
    /// Little-endian 32-bit floats.
    Floats(Body),
    /// u32 count of rows, u32 length of each, then the little-endian 32-bit floats of all.
    FloatRows(Body),
    /// `{"detail":…,"exception":{…}}`: Python raised. A result, not a failure of the host.
    Exception(Body),
    /// The operation could not be carried out.
    Problem(Box<Problem>),
}

impl Response {
    pub(crate) fn problem(problem: Problem, epoch: u64) -> Response {
        Response { result: CallResult::Problem(Box::new(problem)), output: CapturedOutput::default(), epoch }
    }
}
