//! Blocking work started from async code.

/// Runs `work` on a thread where blocking is allowed; returns its result. A panic of `work` resumes in the caller.
pub(crate) async fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
