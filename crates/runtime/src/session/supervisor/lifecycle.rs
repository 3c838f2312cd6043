//! Waiting for what ends a session.

use std::time::{Duration, Instant};

use crate::session::shared::SessionInner;
use crate::session::state::lifecycle::Lifecycle;

/// Returns when the session closes.
pub(crate) async fn closing(inner: &SessionInner) {
    let _ = inner.observe().wait_for(Lifecycle::is_closing).await;
}

/// Returns once a worker that has to end has no calls left.
pub(crate) async fn drained(inner: &SessionInner) {
    while !inner.read(|state, _| state.is_drained()) {
        inner.drained.notified().await;
    }
}

/// Returns when the session has been idle for as long as it may.
pub(crate) async fn idle_out(inner: &SessionInner) {
    let Some(max) = inner.config.idle_timeout else { return std::future::pending().await };
    loop {
        match inner.read(|state, _| state.idle_for(Instant::now())) {
            Some(idle) if idle >= max => return,
            idle => tokio::time::sleep(max - idle.unwrap_or(Duration::ZERO)).await,
        }
    }
}
