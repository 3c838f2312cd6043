//! One budget for the bodies of requests that lie in memory, over all connections and wires.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem};
use bytes::Bytes;
use tokio::sync::Notify;

use crate::allocator;

/// Bodies up to this size are not counted: a request takes as much besides, and most have no larger one.
const COUNTED_FROM: u64 = 4 << 10;
/// What is given back in one piece from this size on makes it worth while to look for free memory.
const WORTH_TRIMMING: u64 = 1 << 20;
/// How long memory is left to the next body before it goes back to the system.
const TRIM_DELAY: Duration = Duration::from_secs(1);

/// How much memory the bodies of requests may take together, and how much they take.
#[derive(Debug)]
pub struct BodyBudget {
    limit: u64,
    held: AtomicU64,
    released: Notify,
}

impl BodyBudget {
    /// The budget of a server that sets none: 512 MiB.
    pub const DEFAULT_BYTES: u64 = 512 << 20;

    /// A budget of so many bytes.
    pub fn new(limit: u64) -> Arc<BodyBudget> {
        Arc::new(BodyBudget { limit, held: AtomicU64::new(0), released: Notify::new() })
    }

    /// The place of one body, which has nothing yet.
    pub(crate) fn hold(self: &Arc<BodyBudget>) -> HeldBytes {
        HeldBytes { budget: self.clone(), arrived: 0, counted: 0 }
    }

    /// Gives memory back to the system after large bodies have gone; never returns. The allocator keeps what is free between
    /// pieces that are in use.
    pub(crate) async fn trim(&self) {
        loop {
            self.released.notified().await;
            tokio::time::sleep(TRIM_DELAY).await;
            let _ = tokio::task::spawn_blocking(allocator::return_free_memory).await;
        }
    }

    fn take(&self, bytes: u64) -> Result<(), Problem> {
        let fits = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= self.limit);
        let taken = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.map(drop).map_err(|held| {
            let detail = format!(
                "the bodies of all requests take {held} bytes, and may take {} together; try again in a moment",
                self.limit
            );
            Problem::new(ErrorCode::Overloaded, detail)
        })
    }
}

/// What one body takes of the budget, until this is dropped.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    budget: Arc<BodyBudget>,
    arrived: u64,
    counted: u64,
}

impl HeldBytes {
    /// So many bytes more have arrived; an error where the budget has no room for them.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        self.arrived += bytes as u64;
        if self.arrived > COUNTED_FROM {
            self.budget.take(self.arrived - self.counted)?;
            self.counted = self.arrived;
        }
        Ok(())
    }

    /// The body, which holds its part of the budget as long as anything of it is in use.
    pub(crate) fn keep(self, body: Bytes) -> Bytes {
        match self.counted {
            0 => body,
            _ => Bytes::from_owner(Body { body, _held: self }),
        }
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.budget.held.fetch_sub(self.counted, Ordering::Relaxed);
        }
        if self.counted >= WORTH_TRIMMING {
            self.budget.released.notify_one();
        }
    }
}

/// A body and its place; the place is given back after the body.
struct Body {
    body: Bytes,
    _held: HeldBytes,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_the_budget_until_the_last_piece_of_each_is_gone() {
        let budget = BodyBudget::new(1 << 20);
        let mut first = budget.hold();
        first.grow(600 << 10).expect("room");
        let kept = first.keep(Bytes::from(vec![0; 600 << 10]));
        let piece = kept.slice(..1);
        drop(kept);
        let mut second = budget.hold();
        assert_eq!(second.grow(600 << 10).expect_err("no room").code, ErrorCode::Overloaded);
        drop(second);
        budget.hold().grow(1000).expect("small bodies are not counted");
        drop(piece);
        budget.hold().grow(600 << 10).expect("room again");
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
