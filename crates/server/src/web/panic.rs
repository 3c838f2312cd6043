//! A request whose handling panics is answered all the same; nothing else depends on it.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use beep_python_protocol::{ErrorCode, Problem};
use futures_util::FutureExt;

/// What handling a request gives, or the error with which it is answered after a panic. What the panic said is on standard error.
pub(crate) fn or_problem<T>(handling: impl Future<Output = T>) -> impl Future<Output = Result<T, Problem>> {
    // Locks are not poisoned, and what they guard changes in whole steps. No `async fn`: it would keep two copies of the future.
    AssertUnwindSafe(handling).catch_unwind().map(|handled| handled.map_err(problem))
}

fn problem(_: Box<dyn Any + Send>) -> Problem {
    Problem::new(ErrorCode::Internal, "the server has a defect: its log says what panicked; other requests go on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let problem = or_problem(async { panic!("a defect") }).await.map(|(): ()| ()).unwrap_err();
        assert_eq!((problem.status, problem.code), (500, ErrorCode::Internal));
        assert_eq!(or_problem(async { 1 }).await.unwrap(), 1);
    }
}
