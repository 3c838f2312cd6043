//! Asynchronous work in commands: running it, and noticing that the user interrupts it.

use std::future::Future;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::CliError;

/// Runs a future on a Tokio runtime of its own. Commands that need none start faster without.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

/// Waits until the command is interrupted: by Ctrl-C, SIGTERM, or the loss of its terminal.
pub(crate) async fn interrupted() -> Result<CliError> {
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        ended = terminated() => ended?,
    }
    Ok(CliError::Interrupted)
}

/// Waits for SIGTERM or SIGHUP.
pub(crate) async fn terminated() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
