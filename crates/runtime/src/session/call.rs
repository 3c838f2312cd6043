//! A call: the request, and the response.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{CallLimits, Operation, Outcome, Problem, TraceContext, ValueForm};
use bytes::Bytes;

use crate::session::output::CapturedOutput;
use crate::worker::chunks::Chunks;
use crate::worker::data_ledger::HeldMemory;
use crate::worker::datum::Datum;
use crate::worker::wire::TakesData;

/// What a request is about: JSON, and the data that go beside it.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    /// The JSON object that the operation takes on HTTP. It goes to the worker as it is.
    pub body: Bytes,
    /// The data, in the order in which the body refers to them.
    pub data: Vec<Arc<HeldMemory>>,
    /// How the client takes data beside JSON as the answer.
    pub takes: TakesData,
}

impl From<Bytes> for Payload {
    fn from(body: Bytes) -> Payload {
        Payload { body, ..Payload::default() }
    }
}

/// A request for one operation.
#[derive(Clone, Debug)]
pub struct Request {
    /// The operation.
    pub operation: Operation,
    /// What it is about.
    pub payload: Payload,
    /// The form of values in the response.
    pub form: ValueForm,
    /// The time it may take, its time in the queue included; the session's deadline when not given.
    pub deadline: Option<Duration>,
    /// The time it may take to stop once it is interrupted, before its worker is killed; the session's grace when not
    /// given. Zero kills at once.
    pub grace: Option<Duration>,
    /// Limits that are tighter than the session's.
    pub limits: Option<Box<CallLimits>>,
    /// How long the handles that it makes may stay unused before they are released; for ever when not given.
    pub lease: Option<Duration>,
    /// Whether an exception comes with the variables of its frames.
    pub traceback_locals: bool,
    /// The id by which its client can cancel it.
    pub request_id: Option<RequestId>,
    /// Whether it is cancelled when its caller stops waiting for the response.
    pub cancel_on_disconnect: bool,
    /// The trace that it is part of.
    pub trace: Option<Box<TraceContext>>,
}

/// The number of a call in its session, in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallId(pub(crate) u64);

/// The id that a client gave to one of its calls, to cancel it by.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId {
    connection: u64,
    id: Bytes,
}

impl RequestId {
    /// An id that any client of the host can use.
    pub fn new(id: impl Into<Bytes>) -> RequestId {
        RequestId { connection: 0, id: id.into() }
    }

    /// An id that is valid on one connection only: the one of this number, which is not 0.
    pub fn on_connection(connection: u64, id: impl Into<Bytes>) -> RequestId {
        RequestId { connection, id: id.into() }
    }
}

impl RequestId {
    /// The text of an id that any client of the host can use.
    pub(crate) fn of_host(&self) -> Option<String> {
        (self.connection == 0).then(|| String::from_utf8_lossy(&self.id).into_owned())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.id))?;
        if self.connection != 0 { write!(f, " on connection {}", self.connection) } else { Ok(()) }
    }
}

impl Request {
    /// A request in the plain form, without limits of its own.
    pub fn new(operation: Operation, body: impl Into<Bytes>) -> Request {
        Request {
            operation,
            payload: body.into().into(),
            form: ValueForm::Plain,
            deadline: None,
            grace: None,
            limits: None,
            lease: None,
            traceback_locals: false,
            request_id: None,
            cancel_on_disconnect: false,
            trace: None,
        }
    }
}

/// The response to a request.
#[derive(Debug)]
pub struct Response {
    /// The result.
    pub result: CallResult,
    /// The captured output.
    pub output: CapturedOutput,
    /// The session's epoch: 1 at first, one more after each restart.
    pub epoch: u64,
}

/// The result of an operation. Bodies are as the worker wrote them.
#[derive(Debug)]
pub enum CallResult {
    /// A JSON value.
    Value(Chunks),
    /// A JSON object that describes a new handle: `{"isHandle":true,"handleId",…}`.
    Handle(Chunks),
    /// A JSON object that is the whole response.
    Object(Chunks),
    /// Bytes, an array or a table.
    Datum(Box<Datum>),
    /// Little-endian 32-bit floats.
    Floats(Chunks),
    /// u32 count of rows, u32 length of each row, then the little-endian 32-bit floats of all rows.
    FloatRows(Chunks),
    /// `{"detail":…,"exception":{…}}`: Python raised. A result, not a failure of the host.
    Exception(Chunks),
    /// The operation could not be carried out.
    Problem(Box<Problem>),
}

impl Response {
    pub(crate) fn problem(problem: Problem, epoch: u64) -> Response {
        Response { result: CallResult::Problem(Box::new(problem)), output: CapturedOutput::default(), epoch }
    }
}

impl CallResult {
    /// What the result says of a call that was to be cancelled.
    pub(crate) fn cancel_outcome(&self) -> CancelOutcome {
        let CallResult::Problem(problem) = self else { return CancelOutcome::Finished };
        match problem.outcome {
            Some(Outcome::NotStarted) => CancelOutcome::NotStarted,
            Some(Outcome::StateKept) => CancelOutcome::StateKept,
            Some(Outcome::StateLost) => CancelOutcome::StateLost,
            Some(Outcome::Finished) => CancelOutcome::Finished,
            None if problem.death.is_some() => CancelOutcome::StateLost,
            None => CancelOutcome::Finished,
        }
    }
}

impl From<Problem> for CallResult {
    fn from(problem: Problem) -> CallResult {
        CallResult::Problem(Box::new(problem))
    }
}
