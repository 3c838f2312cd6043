//! How much memory this process has allocated. Unlike its resident size, that depends on nothing but what it does.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The allocator of the system, which counts.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// How many bytes are allocated now.
pub fn now() -> usize {
    NOW.load(Relaxed)
}

/// Forgets how many there were, and says how many there are.
pub fn begin() -> usize {
    let now = now();
    MOST.store(now, Relaxed);
    now
}

/// How many there were at most since then.
pub fn most() -> usize {
    MOST.load(Relaxed)
}

fn grown(by: usize) {
    MOST.fetch_max(NOW.fetch_add(by, Relaxed) + by, Relaxed);
}

fn shrunk(by: usize) {
    NOW.fetch_sub(by, Relaxed);
}

// SAFETY: the allocator of the system does all the work, with what this one is called with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size);
        shrunk(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}
