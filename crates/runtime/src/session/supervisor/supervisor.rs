//! The life of a session: a worker, its exit, the next worker.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem, WorkerDeath};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use crate::platform::error_chain;
use crate::session::shared::SessionInner;
use crate::session::supervisor::connection::run_worker;
use crate::session::supervisor::crash_loop::CrashLoop;
use crate::session::supervisor::lifecycle::closing;
use crate::session::supervisor::spawn::{ReadyWorker, spawn_worker};
use crate::worker::zygote_error::ZygoteError;

const PAUSE_AFTER_PANIC: Duration = Duration::from_millis(100);

/// Runs until the session is closed.
pub(crate) async fn supervise(inner: Arc<SessionInner>) {
    let span = tracing::info_span!("session", id = inner.id);
    loop {
        let supervised = AssertUnwindSafe(supervise_within(&inner).instrument(span.clone()));
        if supervised.catch_unwind().await.is_ok() {
            return;
        }
        // A fault of this host. Its worker went down with it; the calls that it had must not wait for ever.
        span.in_scope(|| tracing::error!("the supervision of the session panicked; its worker is replaced"));
        inner.link_down(&WorkerDeath::default());
        let _ = timeout(PAUSE_AFTER_PANIC, closing(&inner)).await;
    }
}

async fn supervise_within(inner: &Arc<SessionInner>) {
    let mut crash_loop = CrashLoop::default();
    let mut limit = None;
    loop {
        match spawn_worker_twice(inner).await {
            Ok(ready) => {
                let started_at = Instant::now();
                let exit = run_worker(inner, ready).await;
                limit = exit.limit;
                crash_loop.exited(exit.is_unexpected, started_at.elapsed(), exit.has_answered);
            }
            Err(error) => {
                let problem = match error {
                    // Its detail has the text of the user's exception, which is not for the log.
                    ZygoteError::Setup(problem) => {
                        tracing::warn!(code = problem.code.as_str(), "the session's setup failed");
                        *problem
                    }
                    error => {
                        let detail = format!("no worker could be started: {}", error_chain(&error));
                        tracing::error!("{detail}");
                        Problem::new(ErrorCode::WorkerUnavailable, detail)
                    }
                };
                inner.update(|state, _, effects| state.fail(problem, effects));
                tokio::select! {
                    () = inner.start_requested.notified() => {}
                    () = closing(inner) => {}
                }
            }
        }
        if inner.read(|state, _| state.lifecycle().is_closing()) {
            break;
        }
        if let Some(pause) = crash_loop.backoff() {
            let why = match limit {
                Some(limit) => format!(
                    "workers pass a limit of the session ({limit}) as soon as they begin; the next one begins in {pause:?}"
                ),
                None => format!("workers die as soon as they begin; the next one begins in {pause:?}"),
            };
            tracing::warn!("{why}");
            inner.update(|state, _, _| state.pause(why));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = closing(inner) => {}
                () = inner.start_requested.notified() => crash_loop.forgive(),
            }
        }
    }
    inner.closed();
    tracing::debug!("the session is closed");
}

/// A worker that was killed while it started need not be killed again.
async fn spawn_worker_twice(inner: &Arc<SessionInner>) -> Result<ReadyWorker, ZygoteError> {
    match spawn_worker(inner).await {
        Err(ZygoteError::Exited | ZygoteError::WorkerExited(_)) => spawn_worker(inner).await,
        outcome => outcome,
    }
}
