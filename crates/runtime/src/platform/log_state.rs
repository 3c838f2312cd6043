//! Whether this process can write its log.

use std::sync::atomic::{AtomicU64, Ordering};

static LOST: AtomicU64 = AtomicU64::new(0);

/// Tells how many events could not be written since the last one that was.
pub fn note_lost_log_events(lost: u64) {
    LOST.store(lost, Ordering::Relaxed);
}

/// How many events could not be written since the last one that was: none where the log can be written.
pub fn lost_log_events() -> u64 {
    LOST.load(Ordering::Relaxed)
}
