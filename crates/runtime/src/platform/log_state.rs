//! Whether this process can write its log.

use std::sync::atomic::{AtomicU64, Ordering};

static LOST: AtomicU64 = AtomicU64::new(0);

/// Tells how many events a log could not write since the last one that it wrote, and how many it had told of before.
pub fn note_lost_log_events(before: u64, lost: u64) {
    if before != lost {
        LOST.fetch_add(lost.wrapping_sub(before), Ordering::Relaxed);
    }
}

/// How many events could not be written since the last one that was, in all logs: none where they can be written.
pub fn lost_log_events() -> u64 {
    LOST.load(Ordering::Relaxed)
}
