//! What the allocator of the C library does with memory that is free. Others than glibc's give it back by themselves.

/// Lets all threads of this process take memory from one place. By default threads get places ("arenas") of their own, up to
/// eight for each processor; each keeps some MiB that are free at its end, and [`return_free_memory`] does not reach them. One thread does
/// nearly all the work of a server, so threads seldom wait for each other.
pub(crate) fn share_one_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer; memory that other threads have stays where it is.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives memory that is free back to the system, also between pieces that are in use.
pub(crate) fn return_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and locks what it looks at.
    unsafe {
        libc::malloc_trim(0);
    }
}
