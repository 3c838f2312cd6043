//! Observing one call: how long it took, and what it ended with.

use std::time::Instant;

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::session::service::json::Chunks;
use beep_python_runtime::session::{CallResult, EventStream, Response};

use crate::audit::Audited;
use crate::metrics::method::Method;
use crate::metrics::outcome::Outcome;
use crate::metrics::server_metrics::{CallLabels, called};
use crate::traces::CallTrace;
use crate::transport::Transport;

/// A call that has begun. Dropped before its end, it is one whose client has gone.
#[derive(Debug)]
pub(crate) struct Observed {
    audited: Option<Box<Audited>>,
    transport: Transport,
    method: Method,
    began: Instant,
    outcome: Outcome,
    trace: CallTrace,
}

impl Observed {
    /// A call with this JSON as its body, in its span.
    pub(crate) fn begin(transport: Transport, method: impl Into<Method>, body: &[u8], trace: CallTrace) -> Observed {
        let method = method.into();
        let audited = Audited::begin(method, body);
        Observed { audited, transport, method, began: Instant::now(), outcome: Outcome::ClientGone, trace }
    }

    /// The call has its answer.
    pub(crate) fn end<T: Answer>(mut self, outcome: Result<&T, &Problem>) {
        let error = outcome.map_or_else(|problem| Some(problem.code), Answer::error);
        self.outcome = error.map_or(Outcome::Success, Outcome::Failed);
    }

    /// The call has such events, and ends with the last of them; or it was refused.
    pub(crate) fn follow(self, subscribed: Result<EventStream, Problem>) -> Result<EventStream, Problem> {
        match subscribed {
            Ok(mut events) => {
                events.on_end(|response| self.end(Ok(response)));
                Ok(events)
            }
            Err(problem) => {
                self.end::<Response>(Err(&problem));
                Err(problem)
            }
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let Observed { audited, transport, method, began, outcome, trace } = self;
        let (transport, method) = (*transport, *method);
        let outcome = if std::thread::panicking() { Outcome::Failed(ErrorCode::Internal) } else { *outcome };
        let error_type = outcome.error_type();
        let labels = CallLabels { rpc_system: transport.name(), rpc_method: method, error_type };
        let seconds = began.elapsed().as_secs_f64();
        called(&labels, seconds);
        trace.end(transport, method, outcome);
        if let Some(audited) = audited {
            audited.end(error_type, seconds);
        }
    }
}

/// Observes a call until it has its answer, in its span.
pub(crate) async fn observe<T: Answer>(
    transport: Transport,
    method: impl Into<Method>,
    body: &[u8],
    trace: CallTrace,
    call: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let observed = Observed::begin(transport, method, body, trace);
    let outcome = call.await;
    observed.end(outcome.as_ref());
    outcome
}

/// What a call is answered with.
pub(crate) trait Answer {
    fn error(&self) -> Option<ErrorCode> {
        None
    }
}

impl Answer for Response {
    fn error(&self) -> Option<ErrorCode> {
        match &self.result {
            CallResult::Problem(problem) => Some(problem.code),
            CallResult::Exception(_) => Some(ErrorCode::PythonException),
            _ => None,
        }
    }
}

/// JSON of the host.
impl Answer for Vec<u8> {}

/// A message of the host.
impl Answer for Chunks {}
