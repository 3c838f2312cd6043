//! What the data of a session that are on their way take together.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use beep_python_memory::Memory;
use beep_python_protocol::{ErrorCode, Problem};
use parking_lot::Mutex;

use crate::worker::scratch::ScratchPool;

/// The bytes and the number of a session's data that this host has, and their limits.
#[derive(Debug)]
pub(crate) struct DataLedger {
    max_bytes: Option<u64>,
    max_count: u64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    count: u64,
}

impl DataLedger {
    pub(crate) fn new(max_bytes: Option<u64>, max_count: u64) -> DataLedger {
        DataLedger { max_bytes, max_count, held: Mutex::default() }
    }

    /// The bytes that are held.
    pub(crate) fn bytes(&self) -> u64 {
        self.held.lock().bytes
    }

    /// Counts this memory until it is dropped; an error where that would be too much.
    pub(crate) fn hold(self: &Arc<DataLedger>, memory: Memory) -> Result<HeldMemory, Problem> {
        let bytes = if memory.is_snapshot() { memory.len() } else { 0 }; // live memory is counted where it is made
        self.hold_bytes(memory, bytes, None)
    }

    /// The same for scratch memory of which so many bytes are used, and which goes back to its pool.
    pub(crate) fn hold_scratch(
        self: &Arc<DataLedger>,
        memory: Memory,
        bytes: u64,
        pool: Arc<ScratchPool>,
    ) -> Result<HeldMemory, Problem> {
        self.hold_bytes(memory, bytes, Some(pool))
    }

    fn hold_bytes(
        self: &Arc<DataLedger>,
        memory: Memory,
        bytes: u64,
        pool: Option<Arc<ScratchPool>>,
    ) -> Result<HeldMemory, Problem> {
        let mut held = self.held.lock();
        let total = held.bytes.saturating_add(bytes);
        if let Some(max) = self.max_bytes.filter(|&max| total > max) {
            let detail = format!(
                "{bytes} bytes of data, with {} that are on their way already, are more than the {max} that this session may hold",
                held.bytes
            );
            return Err(Problem::new(ErrorCode::TooMuchData, detail));
        }
        if held.count >= self.max_count {
            let detail = format!("{} pieces of data are on their way, as many as this session may hold", held.count);
            return Err(Problem::new(ErrorCode::TooMuchData, detail));
        }
        (held.bytes, held.count) = (total, held.count + 1);
        Ok(HeldMemory { memory: Some(memory), bytes, ledger: self.clone(), pool })
    }
}

/// Memory that counts against its session's limits while this host has it.
#[derive(Debug)]
pub struct HeldMemory {
    /// There until it is dropped.
    memory: Option<Memory>,
    bytes: u64,
    ledger: Arc<DataLedger>,
    /// Where it goes afterwards; it ends where it has no pool.
    pool: Option<Arc<ScratchPool>>,
}

impl HeldMemory {
    /// The memory itself.
    pub fn memory(&self) -> &Memory {
        self.memory.as_ref().expect("it is there until it is dropped")
    }
}

impl AsFd for HeldMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory().as_fd()
    }
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        let mut held = self.ledger.held.lock();
        (held.bytes, held.count) = (held.bytes - self.bytes, held.count - 1);
        drop(held);
        if let (Some(memory), Some(pool)) = (self.memory.take(), &self.pool) {
            pool.give_back(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use beep_python_memory::MemoryWriter;

    use super::*;

    fn memory(length: usize) -> Memory {
        let mut writer = MemoryWriter::create().unwrap();
        writer.write_all(&vec![7; length]).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn ledger_counts_what_is_held() {
        let ledger = Arc::new(DataLedger::new(Some(100), 3));
        let first = ledger.hold(memory(60)).unwrap();
        let refused = ledger.hold(memory(41)).unwrap_err();
        assert_eq!(refused.code, ErrorCode::TooMuchData);
        let _second = ledger.hold(memory(40)).unwrap();
        assert_eq!(ledger.bytes(), 100);
        drop(first);
        assert_eq!(ledger.bytes(), 40);
        let _more = [ledger.hold(memory(0)).unwrap(), ledger.hold(memory(0)).unwrap()];
        assert_eq!(ledger.hold(memory(0)).unwrap_err().code, ErrorCode::TooMuchData);
    }
}
