//! Observing one call: how long it took, and what it ended with.

use std::time::Instant;

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::session::service::json::Chunks;
use beep_python_runtime::session::{CallResult, EventStream, Response};

use crate::audit::Audited;
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
    audited: Option<Box<Audited>>,
    transport: Transport,
    method: Method,
    began: Instant,
    error_type: &'static str,
}

impl Observed {
    /// A call with this JSON as its body, in its span.
    pub(crate) fn begin(transport: Transport, method: impl Into<Method>, body: &[u8]) -> Observed {
        let method = method.into();
        let audited = Audited::begin(method, body);
        Observed { audited, transport, method, began: Instant::now(), error_type: CLIENT_GONE }
    }

    /// The call has its answer.
    pub(crate) fn end<T: Answer>(mut self, outcome: Result<&T, &Problem>) {
        self.error_type = match outcome {
            Ok(answer) => answer.error_type(),
            Err(problem) => problem.code.as_str(),
        };
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
        let Observed { ref audited, transport, method, began, error_type } = *self;
        let error_type = if std::thread::panicking() { ErrorCode::Internal.as_str() } else { error_type };
        let labels = CallLabels { rpc_system: transport.name(), rpc_method: method, error_type };
        let seconds = began.elapsed().as_secs_f64();
        called(&labels, seconds);
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
    call: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let observed = Observed::begin(transport, method, body);
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
