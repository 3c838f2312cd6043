//! One session: the handle that transports hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Outcome, Problem, ValueForm};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::{oneshot, watch};
use tokio::time::{timeout, timeout_at};

use crate::session::call::{CallId, Request, Response};
use crate::session::error::{KillReason, cancelled_error, closing_error};
use crate::session::held_time::HeldTime;
use crate::session::interrupt::{CancelOnDrop, deadline_watchdog, interrupt_then_kill, keep_from_starting};
use crate::session::limits::needs_polling;
use crate::session::shared::SessionInner;
use crate::session::state::call_record::Watchdog;
use crate::session::state::calls::NewCall;
use crate::session::state::client_requests::ClientReply;
use crate::session::state::lifecycle::Lifecycle;
use crate::session::state::reply_sink::ReplySink;
use crate::worker::process_group::ProcessMark;

/// How long the end of a session may take whose calls had their time to finish.
const LAST_TIME: Duration = Duration::from_secs(3);

/// How long a worker that was killed may take to be gone.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// An isolated namespace with its handles, living in one worker. Cheap to clone; all clones are the same session.
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) inner: Arc<SessionInner>,
}

impl Session {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// The number of its worker: 1 at first, one more after each restart.
    pub fn epoch(&self) -> u64 {
        self.inner.read(|state, _| state.stats().epoch)
    }

    /// Carries out one operation. Calls run one at a time, in order of arrival.
    ///
    /// The call goes on when the future is dropped, unless its request has `cancel_on_disconnect`.
    pub async fn call(&self, request: Request) -> Response {
        self.call_cancellable(request, None).await
    }

    /// As [`call`](Session::call), but the call is in the queue before the future is polled; when the future is dropped, the call
    /// is also cancelled if `cancelled` is true by then.
    // No `async fn`: its future would hold the request, twice.
    pub(crate) fn call_cancellable<'a>(
        &self,
        request: Request,
        cancelled: Option<&'a AtomicBool>,
    ) -> impl Future<Output = Response> + use<'a> {
        let end = End::of(&request, cancelled);
        let grace = self.grace_of(&request);
        let (sender, response) = oneshot::channel();
        let call_id = self.enqueue(request, ReplySink::Oneshot(sender));
        self.wait(response, call_id, end, grace)
    }

    /// Carries out one operation on the thread that waits for the reply to a client request. The call ends by itself: when it
    /// is stopped, the call around it goes on. `cancelled` as in [`call_cancellable`](Session::call_cancellable).
    pub(crate) async fn nest(
        &self,
        client_request: &str,
        request: Request,
        cancelled: Option<&AtomicBool>,
    ) -> Response {
        if needs_polling(&request) {
            let detail = "a call within a callback has the processor time and the memory of the call around it: \
                it takes no limits of its own for them";
            return Response::problem(Problem::new(ErrorCode::InvalidRequest, detail), self.epoch());
        }
        let end = End::of(&request, cancelled);
        let grace = self.grace_of(&request);
        let limit = match self.time_of(&request) {
            Ok(limit) => limit,
            Err(problem) => return Response::problem(problem, self.epoch()),
        };
        let (sender, response) = oneshot::channel();
        let call = NewCall { request, grace, reply: ReplySink::Oneshot(sender) };
        let (mut taken, began) = (None, ProcessMark::now());
        self.inner.update(|state, _, effects| {
            let watchdog = |call_id| {
                taken = Some(call_id);
                self.watchdog(call_id, limit, None, grace)
            };
            state.nest(client_request, call, watchdog, (Instant::now(), began), effects);
        });
        self.wait(response, taken, end, grace).await
    }

    /// Waits for a response; `end` says what becomes of the call when the future is dropped before.
    fn wait<'a>(
        &self,
        response: oneshot::Receiver<Response>,
        call_id: Option<CallId>,
        end: End<'a>,
        grace: Duration,
    ) -> impl Future<Output = Response> + use<'a> {
        let cancel = |call_id, cancelled| CancelOnDrop::new(self.inner.clone(), call_id, grace, cancelled);
        let guard = match end {
            End::Never => None,
            End::WithCaller => call_id.map(|call_id| cancel(call_id, None)),
            End::If(cancelled) => call_id.map(|call_id| cancel(call_id, Some(cancelled))),
        };
        async move {
            let response = response.await.unwrap_or_else(|_| Response::problem(closing_error(), 0));
            if let Some(guard) = guard {
                guard.disarm();
            }
            response
        }
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
    fn watchdog(
        &self,
        call_id: CallId,
        limit: Option<Duration>,
        held: Option<Arc<HeldTime>>,
        grace: Duration,
    ) -> Option<Watchdog> {
        let (limit, held) = (limit?, held.unwrap_or_default());
        let watching = deadline_watchdog(self.inner.clone(), call_id, limit, held.clone(), grace);
        Some(Watchdog { task: tokio::spawn(watching).abort_handle(), held })
    }

    /// Puts a call into the queue, which responds to it in any case. Returns its id unless it has its response already.
    pub(crate) fn enqueue(&self, request: Request, reply: ReplySink) -> Option<CallId> {
        self.enqueue_after(request, reply, None)
    }

    /// As [`enqueue`](Session::enqueue); `held` is how long the batches before were held.
    pub(crate) fn enqueue_after(
        &self,
        request: Request,
        reply: ReplySink,
        held: Option<Arc<HeldTime>>,
    ) -> Option<CallId> {
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
            state.enqueue(call, |call_id| self.watchdog(call_id, limit, held, grace), Instant::now(), effects)
        });
        if self.inner.awaits_call.load(Ordering::SeqCst) && self.inner.awaits_call.swap(false, Ordering::SeqCst) {
            self.inner.poll_requested.notify_one();
        }
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

    /// Rejects new calls, and lets those in progress finish, at most for `patience`. What is left then is interrupted, and the worker
    /// ends.
    pub async fn close(&self, patience: Duration) {
        let mut lifecycle = self.inner.observe();
        self.inner.update(|state, _, effects| state.close(effects));
        if timeout(patience, until_closed(&mut lifecycle)).await.is_err() {
            self.end_soon().await;
        }
    }

    /// As [`end`](Session::end), in the time that is left to a session whose server stops.
    pub(crate) async fn end_soon(&self) {
        self.end_within(LAST_TIME.min(self.inner.config.drain)).await;
    }

    /// Rejects new calls, interrupts those in progress, and ends the worker; returns when it is gone.
    pub(crate) async fn end(&self) {
        self.end_within(self.inner.config.drain).await;
    }

    async fn end_within(&self, time: Duration) {
        let mut lifecycle = self.inner.observe();
        self.inner.update(|state, _, effects| state.close(effects));
        if !self.end_worker(KillReason::Closing, time, |lifecycle| matches!(lifecycle, Lifecycle::Closed)).await {
            self.inner.update(|state, _, effects| state.abandon(effects));
            let _ = timeout(KILL_TIMEOUT, until_closed(&mut lifecycle)).await;
        }
    }

    /// Interrupts the calls of the worker, which then ends as a program does. Says whether it has ended in this time.
    async fn end_worker(&self, why: KillReason, time: Duration, has_ended: impl Fn(&Lifecycle) -> bool) -> bool {
        let (mut lifecycle, by) = (self.inner.observe(), Instant::now() + time);
        let calls = self.inner.update(|state, _, effects| state.end(why, by, effects));
        // The last one first: none starts because the one before it was interrupted.
        calls.iter().rev().for_each(|(call_id, _)| keep_from_starting(&self.inner, *call_id, why.code()));
        for (call_id, grace) in calls {
            let inner = self.inner.clone();
            tokio::spawn(async move { interrupt_then_kill(&inner, call_id, why.code(), grace.min(time)).await });
        }
        timeout_at(by.into(), lifecycle.wait_for(has_ended)).await.is_ok()
    }

    /// Interrupts the calls of the worker and ends it, and returns the epoch of the next one once that is ready.
    pub async fn restart(&self) -> Result<u64, Problem> {
        let mut lifecycle = self.inner.observe();
        let before = self.inner.read(|state, _| state.lifecycle().link());
        let is_gone = |lifecycle: &Lifecycle| lifecycle.link() != before;
        if before.is_none() || !self.end_worker(KillReason::Restarting, self.inner.config.drain, is_gone).await {
            self.inner.update(|state, _, effects| state.restart(effects));
        }
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

    /// The time for which it was idle, if it ended since it may be idle no longer.
    pub(crate) fn expired_after(&self) -> Option<Duration> {
        self.inner.config.idle_timeout.filter(|_| self.inner.read(|state, _| state.has_expired()))
    }

    /// Whether it has ended, or is about to.
    pub(crate) fn is_closing(&self) -> bool {
        self.inner.read(|state, _| state.lifecycle().is_closing())
    }

    /// Why it can serve no calls; nothing where it can. Where no worker could be started, another attempt begins.
    pub(crate) fn not_ready(&self) -> Option<Problem> {
        let why = self.inner.update(|state, _, effects| {
            let why = match state.lifecycle().is_closing() {
                true => Some(closing_error()),
                false => state.failure().cloned(),
            };
            state.start_if_failed(effects);
            why
        });
        why.or_else(|| {
            let detail = format!("no worker could be started: {}", self.inner.zygote.not_ready()?);
            Some(Problem::new(ErrorCode::WorkerUnavailable, detail))
        })
    }

    /// Waits until it serves calls, or serves none, other than `ready` says. It stays as it is while another attempt to start a worker
    /// is under way.
    pub(crate) async fn readiness_after(&self, ready: bool) -> bool {
        let differs = |lifecycle: &Lifecycle| match lifecycle {
            Lifecycle::Running(_) => !ready,
            Lifecycle::Failed(_) | Lifecycle::Closing(_) | Lifecycle::Closed => ready,
            Lifecycle::Starting => false,
        };
        if self.inner.observe().wait_for(differs).await.is_err() {
            std::future::pending::<()>().await;
        }
        !ready
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

/// Whether a call is cancelled when its caller stops waiting.
#[derive(Clone, Copy)]
enum End<'a> {
    Never,
    WithCaller,
    /// If this is true by then.
    If(&'a AtomicBool),
}

impl<'a> End<'a> {
    fn of(request: &Request, cancelled: Option<&'a AtomicBool>) -> End<'a> {
        match cancelled {
            _ if request.cancel_on_disconnect => End::WithCaller,
            Some(cancelled) => End::If(cancelled),
            None => End::Never,
        }
    }
}

async fn until_closed(lifecycle: &mut watch::Receiver<Lifecycle>) {
    let _ = lifecycle.wait_for(|lifecycle| matches!(lifecycle, Lifecycle::Closed)).await;
}
