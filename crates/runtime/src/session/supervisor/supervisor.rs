//! The life of a session: a worker, its exit, the next worker.

use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use crate::platform::error_chain;
use crate::session::shared::SessionInner;
use crate::session::supervisor::connection::run_worker;
use crate::session::supervisor::crash_loop::CrashLoop;
use crate::session::supervisor::lifecycle::closing;
use crate::session::supervisor::spawn::{ReadyWorker, spawn_worker};
use crate::worker::zygote_error::ZygoteError;

/// Runs until the session is closed.
pub(crate) async fn supervise(inner: Arc<SessionInner>) {
    let span = tracing::info_span!("session", id = inner.id);
    supervise_within(&inner).instrument(span).await;
}

async fn supervise_within(inner: &Arc<SessionInner>) {
    let mut crash_loop = CrashLoop::default();
    loop {
        match spawn_worker_twice(inner).await {
            Ok(ready) => {
                let started_at = Instant::now();
                let unexpectedly = run_worker(inner, ready).await;
                crash_loop.exited(unexpectedly, started_at.elapsed());
            }
            Err(error) => {
                let detail = format!("no worker could be started: {}", error_chain(&error));
                tracing::error!("{detail}");
                inner.update(|state, _, effects| {
                    state.fail(Problem::new(ErrorCode::WorkerUnavailable, detail), effects)
                });
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
            tracing::warn!("workers die as soon as they begin; the next one begins in {pause:?}");
            let _ = timeout(pause, closing(inner)).await;
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
