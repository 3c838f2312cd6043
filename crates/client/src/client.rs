//! The client and the options of its calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::CallLimits;
use serde::Serialize;

use crate::callback::{CallbackCall, CallbackError};
use crate::state::ClientState;
use crate::transport::Transport;
use beep_python_protocol::CallOptions;

/// A client of a host that runs Python code.
///
/// `T` is the way to the host; [`HttpBackend`](crate::HttpBackend), [`PipeBackend`](crate::PipeBackend), `RpcBackend` and
/// `LocalBackend` are names for a client of one transport, and [`AnyBackend`](crate::AnyBackend) for a client of any.
///
/// Clients are cheap to clone, and clones share their connections. [`with_timeout`](Self::with_timeout) and the other
/// `with_` methods return a clone whose calls differ. Without [`with_session`](Self::with_session), calls run in the
/// default session, which all clients of a host share.
///
/// # Errors
/// Every operation fails with [`Error::Python`](crate::Error::Python) when Python code raised an exception, with
/// [`Error::Host`](crate::Error::Host) when the host could not carry it out, and with
/// [`Error::Connect`](crate::Error::Connect) or [`Error::ConnectionLost`](crate::Error::ConnectionLost) when the host was
/// not reached or the connection broke. Dropping a future abandons the call, which may still run, unless the client was
/// made [`with_cancel_on_disconnect`](Self::with_cancel_on_disconnect).
#[derive(Clone)]
pub struct Client<T> {
    pub(crate) transport: T,
    pub(crate) state: ClientState,
}

impl<T: Transport> Client<T> {
    /// A client over a transport.
    pub fn from_transport(transport: T) -> Client<T> {
        Client { transport, state: ClientState::default() }
    }

    /// The transport.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// Sets the deadline of calls, counted from their arrival at the host, time in the queue included. The host's own
    /// applies otherwise.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        self.with_options(|options| options.timeout = Some(timeout))
    }

    /// Sends calls to a session.
    #[must_use]
    pub fn with_session(&self, session: &str) -> Self {
        self.with_options(|options| options.session = Some(Arc::from(session)))
    }

    /// Names a call, for [`cancel`](Self::cancel). No two calls in progress may share a name.
    #[must_use]
    pub fn with_request_id(&self, request_id: &str) -> Self {
        self.with_options(|options| options.request_id = Some(Arc::from(request_id)))
    }

    /// Sets how long an interrupted call may take to stop before its worker is killed and the session's state is lost.
    /// Zero kills at once.
    #[must_use]
    pub fn with_grace(&self, grace: Duration) -> Self {
        self.with_options(|options| options.grace = Some(grace))
    }

    /// Limits what each call may consume. The session's limits still apply; the smaller value of the two holds.
    #[must_use]
    pub fn with_limits(&self, limits: &CallLimits) -> Self {
        self.with_options(|options| options.limits = Some(Arc::new(limits.clone())))
    }

    /// Gives new handles a lease: an object that stays unused for so long is released, and its handle is
    /// [`handle_expired`](beep_python_protocol::ErrorCode::HandleExpired) from then on. So a client that vanishes leaves
    /// nothing behind.
    ///
    /// Every call that names a handle renews its lease. A program that only keeps one must call
    /// [`renew_handle`](Self::renew_handle) in time. Modules have no lease.
    #[must_use]
    pub fn with_lease(&self, lease: Duration) -> Self {
        self.with_options(|options| options.lease = Some(lease))
    }

    /// Lets the host cancel a call when its future is dropped or this process ends. Without it a call runs on, over gRPC too.
    #[must_use]
    pub fn with_cancel_on_disconnect(&self) -> Self {
        self.with_options(|options| options.cancel_on_disconnect = Some(true))
    }

    /// Runs each [`evaluate`](Self::evaluate) in a worker of its own, in the environment of the session and in parallel
    /// with other calls. Nothing is kept afterwards, so a result that has no value form is refused.
    #[must_use]
    pub fn with_isolation(&self) -> Self {
        self.with_options(|options| options.isolated = Some(true))
    }

    /// Sends the `repr` of an object with its handle: [`Handle::repr`](crate::Handle::repr). It costs a call of the object's
    /// own code, so it is off otherwise.
    #[must_use]
    pub fn with_reprs(&self) -> Self {
        let mut client = self.clone();
        client.state.reprs = true;
        client
    }

    /// Tells of the records that reach Python's root logger, in what [`execute`](Self::execute) and
    /// [`evaluate_streaming`](Self::evaluate_streaming) follow: [`ExecutionEvent::Log`](crate::ExecutionEvent::Log). Levels are
    /// those of the session.
    #[must_use]
    pub fn with_log_records(&self) -> Self {
        let mut client = self.clone();
        client.state.log_records = true;
        client
    }

    /// Tells how far code is, in what [`execute`](Self::execute) and [`evaluate_streaming`](Self::evaluate_streaming) follow:
    /// [`ExecutionEvent::Progress`](crate::ExecutionEvent::Progress), as often as it calls `beep_python.progress`.
    #[must_use]
    pub fn with_progress(&self) -> Self {
        let mut client = self.clone();
        client.state.progress = true;
        client
    }

    /// Gives output as it was written, in what [`execute`](Self::execute), [`evaluate_streaming`](Self::evaluate_streaming) and
    /// [`session_events`](Self::session_events) follow: what is no UTF-8 as [`ExecutionEvent::StdoutBytes`](crate::ExecutionEvent::StdoutBytes)
    /// and its like, which may begin or end within a character, and [`ExecutionEvent::Omitted`](crate::ExecutionEvent::Omitted) where
    /// bytes are left out. Otherwise such bytes are replaced by U+FFFD, and the text has a mark where some are left out.
    #[must_use]
    pub fn with_raw_output(&self) -> Self {
        let mut client = self.clone();
        client.state.raw_output = true;
        client
    }

    /// Sends the variables of each frame with the traceback of an exception, as shortened texts:
    /// [`Frame::locals`](beep_python_protocol::Frame::locals). It calls the `repr` of all these objects.
    #[must_use]
    pub fn with_traceback_locals(&self) -> Self {
        self.with_options(|options| options.traceback_locals = Some(true))
    }

    /// Makes calls part of a trace, by its `traceparent` as W3C's Trace Context has it: the code can ask for it
    /// (`beep_python.current_traceparent()`), and it is current where the package opentelemetry is installed.
    #[must_use]
    pub fn with_traceparent(&self, traceparent: &str) -> Self {
        self.with_options(|options| options.traceparent = Some(traceparent.into()))
    }

    /// What tracing systems note of that trace, beside [`with_traceparent`](Self::with_traceparent).
    #[must_use]
    pub fn with_tracestate(&self, tracestate: &str) -> Self {
        self.with_options(|options| options.tracestate = Some(tracestate.into()))
    }

    /// Registers a function that Python code can call. Where a call has [`Callback`](crate::Callback) of this name among
    /// its arguments, Python gets a callable that waits for the function's result. An `Err` is raised there as
    /// `beep_python.CallbackError` with the error's text. A callback that outlives the call is
    /// [kept](Self::keep_callback).
    ///
    /// ```no_run
    /// # use beep_python_client::{Callback, Error, HttpBackend};
    /// # async fn example(python: HttpBackend) -> Result<(), Error> {
    /// let python = python.with_callback("double", |call| async move { Ok::<i64, Error>(call.arg::<i64>(0)? * 2) });
    /// let sum: i64 = python.evaluate_with("double(1) + double(2)", [("double", Callback("double".into()))]).await?;
    /// assert_eq!(sum, 6);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_callback<F, R, E>(
        &self,
        name: &str,
        function: impl Fn(CallbackCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Serialize + Send + 'static,
        E: Into<CallbackError> + 'static,
    {
        let mut client = self.clone();
        client.state.callbacks = self.state.callbacks.with(name, function);
        client
    }

    /// Nests calls in a callback: they run while Python waits for its result.
    #[must_use]
    pub fn nested_in(&self, callback: &CallbackCall) -> Self {
        self.with_options(|options| options.callback = callback.reentry_token.clone())
    }

    pub(crate) fn call_options(&self) -> &CallOptions {
        &self.state.options
    }

    fn with_options(&self, change: impl FnOnce(&mut CallOptions)) -> Self {
        let mut client = self.clone();
        change(&mut client.state.options);
        client
    }
}

impl<T> Client<T> {
    /// The same client over a transport made of this one.
    pub(crate) fn map_transport<U>(self, map: impl FnOnce(T) -> U) -> Client<U> {
        Client { transport: map(self.transport), state: self.state }
    }
}

impl<T: fmt::Debug> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("transport", &self.transport)
            .field("options", &self.state.options)
            .finish_non_exhaustive()
    }
}
