//! Observing one call: how long it took, and what it ended with.

use std::time::Instant;

use beep_python_protocol::{ErrorCode, Operation, Problem};
use beep_python_runtime::session::service::json::Chunks;
use beep_python_runtime::session::{CallResult, EventStream, Response};

use crate::metrics::method::Method;
use crate::metrics::server_metrics::{CallLabels, called};
use crate::transport::Transport;

/// The error type of a call whose client went away before its answer.
const CLIENT_GONE: &str = "client_gone";
/// Of a success.
const NO_ERROR: &str = "";

/// A call that has begun. Dropped before its end, it is one whose client has gone.
#[derive(Debug)]
pub(crate) struct Observed {
    transport: Transport,
    method: Method,
    began: Instant,
    error_type: &'static str,
}

impl Observed {
    pub(crate) fn begin(transport: Transport, method: impl Into<Method>) -> Observed {
        Observed { transport, method: method.into(), began: Instant::now(), error_type: CLIENT_GONE }
    }

    /// The call has its answer.
    pub(crate) fn end<T: Answer>(mut self, outcome: Result<&T, &Problem>) {
        self.error_type = match outcome {
            Ok(answer) => answer.error_type(),
            Err(problem) => problem.code.as_str(),
        };
    }

    /// The call has such events, and ends with the last of them; or it was refused.
    pub(crate) fn follow(
        transport: Transport,
        operation: Operation,
        subscribed: Result<EventStream, Problem>,
    ) -> Result<EventStream, Problem> {
        let observed = Observed::begin(transport, operation);
        match subscribed {
            Ok(mut events) => {
                events.on_end(|response| observed.end(Ok(response)));
                Ok(events)
            }
            Err(problem) => {
                observed.end::<Response>(Err(&problem));
                Err(problem)
            }
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let Observed { transport, method, began, error_type } = *self;
        let error_type = if std::thread::panicking() { ErrorCode::Internal.as_str() } else { error_type };
        let labels = CallLabels { rpc_system: transport.name(), rpc_method: method, error_type };
        called(&labels, began.elapsed().as_secs_f64());
    }
}

/// Observes a call until it has its answer.
pub(crate) async fn observe<T: Answer>(
    transport: Transport,
    method: impl Into<Method>,
    call: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let observed = Observed::begin(transport, method);
    let outcome = call.await;
    observed.end(outcome.as_ref());
    outcome
}

/// What a call is answered with.
pub(crate) trait Answer {
    fn error_type(&self) -> &'static str {
        NO_ERROR
    }
}

impl Answer for Response {
    fn error_type(&self) -> &'static str {
        match &self.result {
            CallResult::Problem(problem) => problem.code.as_str(),
            CallResult::Exception(_) => ErrorCode::PythonException.as_str(),
            _ => NO_ERROR,
        }
    }
}

/// JSON of the host.
impl Answer for Vec<u8> {}

/// A message of the host.
impl Answer for Chunks {}
