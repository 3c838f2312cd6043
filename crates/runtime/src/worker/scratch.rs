//! Memory that the host lends a worker for the copy that is its answer, and takes back when that is delivered.
//!
//! Memory that has been written before has its pages: writing it again takes half as long as new memory. What lies unused for
//! a few seconds is freed.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use beep_python_memory::{Memory, MemoryError, MemoryWriter};
use parking_lot::Mutex;

/// What a session keeps of unused memory at most; a larger block is not kept at all.
const MAX_KEPT: u64 = 256 << 20;
/// How long memory is kept unused.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// The scratch memory of one session. Only its own worker ever writes it.
#[derive(Debug, Default)]
pub(crate) struct ScratchPool {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    unused: Vec<Memory>,
    /// What requests in flight have, by their ids.
    lent: HashMap<u64, Memory>,
    /// How often memory was given back: what is there since before the count was this is old.
    returned: u64,
    is_trimming: bool,
}

impl ScratchPool {
    /// Lends memory to a request; `send` sends its descriptor, and nothing is lent where that fails.
    pub(crate) fn lend(&self, id: u64, send: impl FnOnce(&Memory) -> io::Result<()>) -> Result<(), MemoryError> {
        let mut state = self.state.lock();
        let memory = match state.unused.pop() {
            Some(memory) => memory,
            None => MemoryWriter::create()?.into_growing()?,
        };
        send(&memory)?;
        state.lent.insert(id, memory);
        Ok(())
    }

    /// Takes back what the request has, which has its answer; `None` where it has none.
    pub(crate) fn take(&self, id: u64) -> Option<Memory> {
        let mut state = self.state.lock();
        if state.lent.is_empty() {
            return None;
        }
        state.lent.remove(&id)
    }

    /// Keeps memory that nobody uses any more, for a while.
    pub(crate) fn give_back(self: &Arc<ScratchPool>, memory: Memory) {
        let Ok(memory) = memory.refreshed() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut state = self.state.lock();
        let kept: u64 = state.unused.iter().map(Memory::len).sum();
        if kept.saturating_add(memory.len()) > MAX_KEPT {
            return;
        }
        state.unused.push(memory);
        state.returned += 1;
        if !std::mem::replace(&mut state.is_trimming, true) {
            let pool = Arc::downgrade(self);
            runtime.spawn(async move {
                let mut seen = None;
                loop {
                    tokio::time::sleep(KEPT_FOR).await;
                    let Some(pool) = pool.upgrade() else { return };
                    if pool.trim(&mut seen) {
                        return;
                    }
                }
            });
        }
    }

    /// Frees what is unused, if nothing was given back since the last time. Returns whether nothing is left to free.
    fn trim(&self, seen: &mut Option<u64>) -> bool {
        let mut state = self.state.lock();
        if seen.replace(state.returned) == Some(state.returned) {
            state.unused.clear();
            state.is_trimming = false;
        }
        !state.is_trimming
    }

    /// The worker is gone: what it had will not be answered.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        (state.unused, state.lent) = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lend(pool: &ScratchPool, id: u64) {
        pool.lend(id, |_| Ok(())).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_used_again_and_freed_when_it_is_not() {
        let pool = Arc::new(ScratchPool::default());
        lend(&pool, 1);
        lend(&pool, 2);
        let first = pool.take(1).unwrap();
        let same = rustix::fs::fstat(&first).unwrap().st_ino;
        assert!(pool.take(1).is_none(), "it is taken once");
        pool.give_back(first);
        lend(&pool, 3);
        let again = pool.take(3).unwrap();
        assert_eq!(rustix::fs::fstat(&again).unwrap().st_ino, same);
        pool.give_back(again);
        assert_eq!(pool.state.lock().unused.len(), 1);
        tokio::time::sleep(3 * KEPT_FOR).await;
        assert!(pool.state.lock().unused.is_empty());
        pool.clear();
        assert!(pool.take(2).is_none());
    }

    #[test]
    fn nothing_is_lent_that_cannot_be_sent() {
        let pool = ScratchPool::default();
        assert!(pool.lend(1, |_| Err(io::ErrorKind::WouldBlock.into())).is_err());
        assert!(pool.take(1).is_none());
    }
}
