//! Calls without a socket.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Operation, Problem, ValueForm};
use beep_python_runtime::session::service::host_operation;
use beep_python_runtime::session::service::json::{ArrayFormat, EncodedResponse, Told, encode_response, tell};
use beep_python_runtime::session::service::operation::{self, CallOptions as Envelope};
use beep_python_runtime::session::{RequestId, SessionManager};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::LocalOptions;
use super::embedded_host::{EmbeddedHost, Running};
use crate::call::{Call, CallOptions, Reply, Target};
use crate::{Context, Error, Event, EventStream, PythonHostBackend};

/// A host in this process: the same sessions as behind a server, each in a worker process of its own, and no socket.
///
/// It starts with its first call. Clones share it, and when the last of them is dropped it ends: the sessions with all
/// that they hold, and their processes, for which `drop` waits (milliseconds). Handles do not keep it. Whoever wants
/// calls under way to be finished first calls [`shut_down`](LocalBackend::shut_down).
///
/// ```no_run
/// # use beep_python_client::{Error, LocalBackend, LocalOptions, PythonHostBackend};
/// # async fn example() -> Result<(), Error> {
/// let python = LocalBackend::new(LocalOptions::from("my-environment"));
/// assert_eq!(python.evaluate::<i64>("1 + 1").await?, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LocalBackend {
    context: Context,
    host: Arc<EmbeddedHost>,
}

/// The shortest deadline, as it is on a wire.
const SHORTEST: Duration = Duration::from_millis(1);

/// The host's life: it ends with the last backend that a caller has.
struct Owner(Arc<EmbeddedHost>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl LocalBackend {
    /// A backend in an environment: `local:NAME` or `local:/path/of/the/environment`, or without any, `local:`, in the
    /// environment `runtime-host`. Python is started by the first call;
    /// [`initialize`](PythonHostBackend::initialize) finds out whether that succeeds.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when the text does not begin with `local:`.
    pub fn connect(endpoint: &str) -> Result<LocalBackend, Error> {
        let environment = endpoint.trim().strip_prefix("local:").ok_or_else(|| Error::Endpoint {
            endpoint: endpoint.to_owned(),
            reason: "it must begin with local:".to_owned(),
        })?;
        Ok(LocalBackend::new(LocalOptions::from(environment)))
    }

    /// A backend as the options say.
    pub fn new(options: LocalOptions) -> LocalBackend {
        let host = Arc::new(EmbeddedHost::new(options));
        let context = Context { _keeper: Some(Arc::new(Owner(host.clone()))), ..Context::default() };
        LocalBackend { context, host }
    }

    /// What it was made with.
    pub fn options(&self) -> &LocalOptions {
        &self.host.options
    }

    /// Refuses new calls, from clones too, and gives those under way `grace` to finish; then ends all sessions and
    /// their processes.
    pub async fn shut_down(self, grace: Duration) {
        if let Some(running) = self.host.started() {
            let sessions = running.sessions.clone();
            let _ = running.runtime.spawn(async move { sessions.shut_down(grace).await }).await;
        }
    }
}

impl PythonHostBackend for LocalBackend {
    fn context(&self) -> &Context {
        &self.context
    }

    fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    async fn perform(&self, call: Call) -> Result<Reply, Error> {
        let running = self.host.running().await?;
        let sessions = running.sessions.clone();
        let cancel_on_disconnect = call.options.cancel_on_disconnect;
        // A call goes on when its caller goes away, as it does on a server.
        let task = running.runtime.spawn(async move { carry_out(&sessions, call).await });
        let _gone = cancel_on_disconnect.then(|| AbortWhenDropped(task.abort_handle()));
        let done = task.await;
        done.unwrap_or_else(|_| Err(Error::from_problem(Problem::new(ErrorCode::ShuttingDown, "the host has ended"))))
    }

    async fn follow(&self, call: Call) -> Result<EventStream, Error> {
        followed(self.host.running().await?, call)
    }
}

/// Events on their way to another thread; at most so many are ahead of whoever reads them.
const AHEAD: usize = 64;

fn followed(running: &Running, call: Call) -> Result<EventStream, Error> {
    let Target::Session(operation) = call.target else {
        let detail = "only operations of a session are followed".to_owned();
        return Err(Error::Protocol { status: 200, detail });
    };
    let (sender, receiver) = mpsc::channel(AHEAD);
    let _inside = running.runtime.enter();
    let envelope = envelope_of(&call.options, operation);
    let mut events =
        operation::follow(&running.sessions, operation, &envelope, call.body).map_err(Error::from_problem)?;
    running.runtime.spawn(async move {
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = sender.closed() => return,
            };
            let Some(event) = event else { return };
            let read = match tell(event, ValueForm::Exact).await {
                Told::Event(name, object) => Event::read(name, &object.contiguous()),
                Told::Response(composed) => match reply(composed) {
                    Ok(Reply::Json(answer)) => Ok(Some(Event::Result(answer))),
                    Ok(_) => Ok(None),
                    Err(error) => Err(error),
                },
            };
            if let Some(event) = read.transpose()
                && sender.send(event).await.is_err()
            {
                return;
            }
        }
    });
    Ok(EventStream::new(stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (event, receiver))
    })))
}

fn envelope_of(options: &CallOptions, operation: Operation) -> Envelope {
    Envelope {
        session: options.session.as_deref().map(str::to_owned),
        form: ValueForm::Exact,
        deadline: options.timeout.map(|timeout| timeout.max(SHORTEST)),
        grace: options.grace,
        lease: options.lease,
        limits: options.limits.as_deref().map(|limits| Box::new(limits.clone())),
        name: options.request_id.as_deref().map(|id| RequestId::new(id.as_bytes().to_vec())),
        cancel_on_disconnect: options.cancel_on_disconnect,
        isolated: options.isolated && operation == Operation::Evaluate,
        capabilities: options.capabilities,
        callback: options.callback.as_deref().map(str::to_owned),
    }
}

/// A task that ends when its caller goes away.
struct AbortWhenDropped(AbortHandle);

impl Drop for AbortWhenDropped {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn carry_out(sessions: &SessionManager, call: Call) -> Result<Reply, Error> {
    let Call { target, body, options } = call;
    let session = options.session.as_deref();
    match target {
        Target::Host(operation) => {
            let answer = host_operation::perform(sessions, operation, session, &body).await;
            answer.map(|text| Reply::Json(text.into())).map_err(Error::from_problem)
        }
        Target::Session(operation) => {
            let answered = operation::carry_out(sessions, operation, &envelope_of(&options, operation), body).await;
            reply(encode_response(answered.map_err(Error::from_problem)?, ArrayFormat::Binary).await)
        }
    }
}

fn reply(composed: EncodedResponse) -> Result<Reply, Error> {
    match composed {
        EncodedResponse::Json(pieces) => Ok(Reply::Json(pieces.contiguous())),
        EncodedResponse::Floats { shape, pieces } => Ok(Reply::Floats { data: pieces.contiguous(), shape }),
        EncodedResponse::Exception(pieces) => {
            let document: Bytes = pieces.contiguous();
            Err(Error::from_body(ErrorCode::PythonException.http_status(), &document))
        }
        EncodedResponse::Problem(problem) => Err(Error::from_problem(*problem)),
    }
}
