//! A request whose handling panics is answered all the same; nothing else depends on it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use beep_python_protocol::{ErrorCode, Problem};
use pin_project_lite::pin_project;

/// What handling a request gives, or what `failed` makes of the problem after a panic. What the panic said is on standard error.
pub(crate) fn or_answer<T, F, E>(handling: F, failed: E) -> OrAnswer<F, E>
where
    F: Future<Output = T>,
    E: FnOnce(Problem) -> T,
{
    OrAnswer { handling, failed: Some(failed) }
}

pin_project! {
    pub(crate) struct OrAnswer<F, E> {
        #[pin]
        handling: F,
        failed: Option<E>,
    }
}

impl<T, F, E> Future for OrAnswer<F, E>
where
    F: Future<Output = T>,
    E: FnOnce(Problem) -> T,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = self.project();
        // Not what the closure returns: `catch_unwind` would move it twice more.
        let mut polled = Poll::Pending;
        // Locks are not poisoned, and what they guard changes in whole steps.
        match catch_unwind(AssertUnwindSafe(|| polled = this.handling.poll(context))) {
            Ok(()) => polled,
            Err(_) => match this.failed.take() {
                Some(failed) => Poll::Ready(failed(defect())),
                None => Poll::Pending,
            },
        }
    }
}

fn defect() -> Problem {
    Problem::new(ErrorCode::Internal, "the server has a defect: its log says what panicked; other requests go on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let problem = or_answer(async { panic!("a defect") }, Err::<(), _>).await.unwrap_err();
        assert_eq!((problem.status, problem.code), (500, ErrorCode::Internal));
        assert_eq!(or_answer(async { Ok(1) }, Err).await.unwrap(), 1);
    }
}
