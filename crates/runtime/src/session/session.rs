//! One session: the handle that transports hold.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Outcome, Problem, ValueForm, WorkerDeath};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::session::call::{Request, Response};
use crate::session::error::{cancelled_error, closing_error};
use crate::session::interrupt::{CancelOnDrop, deadline_watchdog};
use crate::session::limits::needs_polling;
use crate::session::shared::SessionInner;
use crate::session::state::call_record::{CallId, Watchdog};
use crate::session::state::calls::NewCall;
use crate::session::state::client_requests::ClientReply;
use crate::session::state::lifecycle::Lifecycle;
use crate::session::state::reply_sink::ReplySink;
use crate::worker::resource_usage::resident_bytes;

/// How long a worker that was killed may take to be gone.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// An isolated namespace with its handles, living in one worker. Cheap to clone; all clones are the same session.
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) inner: Arc<SessionInner>,
}

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its id.
    pub id: String,
    /// 1 at first, one more after each restart.
    pub epoch: u64,
    /// The process id of its worker, while there is one.
    pub pid: Option<i32>,
    /// How many calls have no response yet.
    pub calls: usize,
    /// The folder of its environment.
    pub environment: PathBuf,
    /// The version of its Python, once that has started.
    pub python: Option<String>,
    /// The labels that its client gave it.
    pub labels: BTreeMap<String, String>,
    /// For how long no call has been in progress; `None` while one is.
    pub idle: Option<Duration>,
    /// How its last worker ended, where the session was restarted.
    pub last_death: Option<WorkerDeath>,
    /// The resident memory of its worker, in bytes.
    pub memory_bytes: Option<u64>,
}

impl Session {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// What is known of it now.
    pub fn info(&self) -> SessionInfo {
        let inner = &self.inner;
        let pid = inner.read(|state, _| state.lifecycle().link()).map(|link| link.pid);
        let memory_bytes = pid.and_then(resident_bytes);
        inner.read(|state, _| SessionInfo {
            id: inner.id.clone(),
            epoch: state.stats().epoch,
            pid,
            calls: state.calls_in_progress(),
            environment: inner.config.environments.own().to_owned(),
            python: inner.zygote.python_version(),
            labels: inner.config.labels.clone(),
            idle: state.idle_for(Instant::now()),
            last_death: state.stats().last_exit.clone(),
            memory_bytes,
        })
    }

    /// The number of its worker: 1 at first, one more after each restart.
    pub fn epoch(&self) -> u64 {
        self.inner.read(|state, _| state.stats().epoch)
    }

    /// Carries out one operation. Calls run one at a time, in order of arrival.
    ///
    /// The call goes on when the future is dropped, unless its request says that it is to be cancelled then.
    pub async fn call(&self, request: Request) -> Response {
        let cancel_on_disconnect = request.cancel_on_disconnect;
        let grace = self.grace_of(&request);
        let (sender, response) = oneshot::channel();
        let call_id = self.enqueue(request, ReplySink::Oneshot(sender));
        self.wait(response, call_id.filter(|_| cancel_on_disconnect), grace).await
    }

    /// Carries out one operation on the thread that waits for the reply to a client request. The call ends by itself: when it
    /// is stopped, the call around it goes on.
    pub async fn nest(&self, client_request: &str, request: Request) -> Response {
        if needs_polling(&request) {
            let detail = "a call within a callback has the processor time and the memory of the call around it: \
                it takes no limits of its own for them";
            return Response::problem(Problem::new(ErrorCode::InvalidRequest, detail), self.epoch());
        }
        let cancel_on_disconnect = request.cancel_on_disconnect;
        let grace = self.grace_of(&request);
        let limit = match self.time_of(&request) {
            Ok(limit) => limit,
            Err(problem) => return Response::problem(problem, self.epoch()),
        };
        let (sender, response) = oneshot::channel();
        let call = NewCall { request, grace, reply: ReplySink::Oneshot(sender) };
        let mut taken = None;
        self.inner.update(|state, _, effects| {
            let watchdog = |call_id| {
                taken = Some(call_id);
                self.watchdog(call_id, limit, grace)
            };
            state.nest(client_request, call, watchdog, Instant::now(), effects);
        });
        self.wait(response, taken.filter(|_| cancel_on_disconnect), grace).await
    }

    /// Waits for a response; while it does, this call is cancelled when the future is dropped.
    async fn wait(&self, response: oneshot::Receiver<Response>, cancel: Option<CallId>, grace: Duration) -> Response {
        let guard = cancel.map(|call_id| CancelOnDrop::new(self.inner.clone(), call_id, grace));
        let response = response.await.unwrap_or_else(|_| Response::problem(closing_error(), 0));
        if let Some(guard) = guard {
            guard.disarm();
        }
        response
    }

    /// How long the call may take to stop.
    pub(crate) fn grace_of(&self, request: &Request) -> Duration {
        request.grace.unwrap_or(self.inner.config.limits.grace)
    }

    /// How long the call may take; an error where that is no time at all.
    fn time_of(&self, request: &Request) -> Result<Option<Duration>, Problem> {
        let limit = request.deadline.or(self.inner.config.limits.deadline);
        match limit.is_some_and(|limit| limit.is_zero()) {
            true => Err(cancelled_error(ErrorCode::DeadlineExceeded, Outcome::NotStarted)),
            false => Ok(limit),
        }
    }

    /// Starts the task that stops a call when its time is over.
    fn watchdog(&self, call_id: CallId, limit: Option<Duration>, grace: Duration) -> Option<Watchdog> {
        let inner = &self.inner;
        limit
            .map(|limit| Watchdog(tokio::spawn(deadline_watchdog(inner.clone(), call_id, limit, grace)).abort_handle()))
    }

    /// Puts a call into the queue, which responds to it in any case. Returns its id unless it has its response already.
    pub(crate) fn enqueue(&self, request: Request, reply: ReplySink) -> Option<CallId> {
        let grace = self.grace_of(&request);
        let limit = match self.time_of(&request) {
            Ok(limit) => limit,
            Err(problem) => {
                reply.send(Response::problem(problem, self.epoch()));
                return None;
            }
        };
        let operation = request.operation;
        let request_id = tracing::enabled!(tracing::Level::DEBUG).then(|| request.request_id.clone()).flatten();
        let call = NewCall { request, grace, reply };
        let call_id = self.inner.update(|state, _, effects| {
            state.enqueue(call, |call_id| self.watchdog(call_id, limit, grace), Instant::now(), effects)
        });
        let call = call_id.map(|call_id| call_id.0);
        tracing::debug!(session = self.inner.id, call, request_id = ?request_id, ?operation, "a call arrived");
        call_id
    }

    /// Answers a client request: `{"questionId", "value"}`, or `error` or `eof` in place of the value.
    pub fn answer(&self, body: Bytes, form: ValueForm) -> Result<(), Problem> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Named {
            question_id: String,
        }
        let named: Named = serde_json::from_slice(&body)
            .map_err(|error| Problem::new(ErrorCode::InvalidRequest, format!("the answer cannot be read: {error}")))?;
        self.inner.update(|state, _, _| state.answer_client_request(&named.question_id, ClientReply { body, form }))
    }

    /// Rejects new calls, waits for those in progress, at most for `grace`, and ends the worker.
    pub async fn close(&self, grace: Duration) {
        let inner = &self.inner;
        let mut lifecycle = inner.observe();
        inner.update(|state, _, effects| state.close(effects));
        if timeout(grace, until_closed(&mut lifecycle)).await.is_err() {
            inner.update(|state, _, effects| state.abandon(effects));
            let _ = timeout(KILL_TIMEOUT, until_closed(&mut lifecycle)).await;
        }
    }

    /// Ends the worker, whatever it does, and returns the epoch of the next one once that is ready.
    pub async fn restart(&self) -> Result<u64, Problem> {
        let mut lifecycle = self.inner.observe();
        let before = self.inner.update(|state, _, effects| state.restart(effects));
        let next = lifecycle.wait_for(|lifecycle| match lifecycle {
            Lifecycle::Running(link) => Some(*link) != before,
            Lifecycle::Starting => false,
            Lifecycle::Failed(_) | Lifecycle::Closing(_) | Lifecycle::Closed => true,
        });
        match &*next.await.map_err(|_| closing_error())? {
            Lifecycle::Running(link) => Ok(link.epoch),
            Lifecycle::Failed(problem) => Err(problem.clone()),
            Lifecycle::Starting | Lifecycle::Closing(_) | Lifecycle::Closed => Err(closing_error()),
        }
    }

    /// Whether it has ended, or is about to.
    pub(crate) fn is_closing(&self) -> bool {
        self.inner.read(|state, _| state.lifecycle().is_closing())
    }

    /// Whether its worker is gone for good.
    pub(crate) fn is_closed(&self) -> bool {
        self.inner.read(|state, _| matches!(state.lifecycle(), Lifecycle::Closed))
    }

    /// Waits until the first worker is ready; an error where none could be started.
    pub(crate) async fn ready(&self) -> Result<(), Problem> {
        let mut lifecycle = self.inner.observe();
        let started = lifecycle.wait_for(|lifecycle| !matches!(lifecycle, Lifecycle::Starting));
        match &*started.await.map_err(|_| closing_error())? {
            Lifecycle::Failed(problem) => Err(problem.clone()),
            Lifecycle::Closing(_) | Lifecycle::Closed => Err(closing_error()),
            Lifecycle::Starting | Lifecycle::Running(_) => Ok(()),
        }
    }
}

async fn until_closed(lifecycle: &mut watch::Receiver<Lifecycle>) {
    let _ = lifecycle.wait_for(|lifecycle| matches!(lifecycle, Lifecycle::Closed)).await;
}
