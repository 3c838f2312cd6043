//! The page of memory that host and worker share: which request runs, has started, is cancelled.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, SeekFrom, fallocate, fcntl_add_seals, ftruncate, memfd_create, seek,
};
use rustix::io::pread;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The number of requests in flight. A request's slot is its id modulo this; that of a nested call is this much higher.
pub(crate) const SLOTS: usize = 32;
/// The slot of the code that runs as the worker ends, which is no request's.
pub(crate) const SLOT_OF_END: usize = 2 * SLOTS - 1;
const PAGE: usize = 4096;
const HANDLES: usize = 8;
const CANCEL: usize = 64;
const STARTED: usize = 128;
const IDLE: usize = 192;
const AFFINITY_RESTORE: usize = 193;
const LAST_WORDS: usize = 194;
const INTERRUPT: usize = 195;
const FLUSH: usize = 196;
const UNFINISHED: usize = 197;
const DEBUGGER: usize = 200;
const LAST_WORDS_STEP: Duration = Duration::from_millis(2);
const RESTORE_REQUESTED: u8 = 1;
const RESTORE_FAILED: u8 = 3;
const RESTORE_REFUSED: u8 = 4;
const CPUS: usize = 256;
const CTRL_C: usize = 384;
/// The bytes of the page for CPUs, eight CPUs in each.
pub(super) const CPUS_BYTES: usize = 128;
const MAX_STACK_DUMP: u64 = 1 << 20;

/// The page, mapped in this process; the worker maps the same memory.
///
/// | offset | | written by |
/// |---|---|---|
/// | 0 | u64: the id of the running request, or of the last that ran | worker |
/// | 8 | u64: how many objects the session holds for clients | worker |
/// | 64 + slot | u8: non-zero once the request is cancelled | host |
/// | 128 + slot | u8: non-zero once the request has started | worker |
/// | 192 | u8: non-zero while the worker only waits for requests | worker |
/// | 193 | u8: [`AffinityRestore`] | both |
/// | 194 | u8: how long an interrupted call waits for the last words of the processes that were interrupted with it, in steps of 2 ms | host |
/// | 195 | u8: non-zero while there is an interrupt to take | both |
/// | 196 | u8: non-zero while the host asks for text that the streams have not written yet | both |
/// | 197 | 3 × u8: non-zero while standard output, standard error, or what is sent for earlier calls, has such text | worker |
/// | 200 | u8: non-zero while the host asks for a debugger to listen | both |
/// | 256 | 128 bytes: one bit for each of 1024 CPUs | host |
/// | 384 + slot | u8: non-zero while the request has a Ctrl-C to take | both |
///
/// Behind it the file has 1 MiB for a stack dump, which ends at the first zero.
#[derive(Debug)]
pub(crate) struct SharedPage {
    page: NonNull<u8>,
    memory: OwnedFd,
}

// SAFETY: the page is accessed through atomics only, and stays mapped as long as the value lives.
unsafe impl Send for SharedPage {}
// SAFETY: as above.
unsafe impl Sync for SharedPage {}

/// The state of restoring a worker's CPU affinity after it was pinned for a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AffinityRestore {
    /// It may run on all its CPUs.
    None,
    /// The host asked for it; the worker has not begun.
    Requested,
    /// The worker is restoring it.
    InProgress,
    /// The worker is not allowed to.
    Failed,
    /// It may not be pinned: other code of the session runs while the worker is idle, and would see that.
    Refused,
}

impl SharedPage {
    /// Creates a page of zeros.
    pub(crate) fn new() -> io::Result<SharedPage> {
        let memory = memfd_create("beep-python-page", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&memory, PAGE as u64 + MAX_STACK_DUMP)?;
        // Without the page behind it, the mapping would end this process: code may do anything with the descriptor.
        fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        // SAFETY: a new mapping at an address of the kernel's choice, of a file that is as long.
        let page = unsafe {
            mmap(std::ptr::null_mut(), PAGE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &memory, 0)?
        };
        let page = NonNull::new(page.cast()).ok_or_else(|| io::Error::other("mmap gave no address"))?;
        Ok(SharedPage { page, memory })
    }

    /// The descriptor to send to the worker.
    pub(crate) fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// Resets a slot for a new request.
    pub(crate) fn clear(&self, slot: usize) {
        self.byte(CANCEL, slot).store(0, Ordering::SeqCst);
        self.byte(STARTED, slot).store(0, Ordering::SeqCst);
        self.byte(CTRL_C, slot).store(0, Ordering::SeqCst);
    }

    /// Gives the slot's request a Ctrl-C, which it takes when a signal follows; it stops only if its code does.
    pub(crate) fn press_ctrl_c(&self, slot: usize) {
        self.byte(CTRL_C, slot).store(1, Ordering::SeqCst);
    }

    /// Cancels the slot's request: it does not start or, if a signal follows, it stops.
    pub(crate) fn cancel(&self, slot: usize) {
        self.byte(CANCEL, slot).store(1, Ordering::SeqCst);
    }

    /// An interrupted call may wait so long for the end of the processes that are interrupted with it, half a second at most.
    pub(crate) fn set_time_for_last_words(&self, time: Duration) {
        let steps = time.as_micros() / LAST_WORDS_STEP.as_micros();
        self.at(LAST_WORDS).store(u8::try_from(steps).unwrap_or(u8::MAX), Ordering::SeqCst);
    }

    /// Gives the worker an interrupt, which it takes when a signal follows while a request runs.
    pub(super) fn set_interrupt(&self) {
        self.at(INTERRUPT).store(1, Ordering::SeqCst);
    }

    /// Whether the worker has not taken the interrupt yet.
    pub(super) fn has_interrupt(&self) -> bool {
        self.at(INTERRUPT).load(Ordering::SeqCst) != 0
    }

    /// Whether the worker has text that it has not written yet.
    pub(crate) fn has_unfinished(&self) -> bool {
        (UNFINISHED..UNFINISHED + 3).any(|offset| self.at(offset).load(Ordering::SeqCst) != 0)
    }

    /// The same, of text of earlier calls alone.
    pub(crate) fn has_unfinished_of_no_call(&self) -> bool {
        self.at(UNFINISHED + 2).load(Ordering::SeqCst) != 0
    }

    /// Asks for such text, which the worker writes when a signal follows. Returns false where it was asked before and has not reacted.
    pub(crate) fn request_flush(&self) -> bool {
        self.at(FLUSH).swap(1, Ordering::SeqCst) == 0
    }

    /// Asks for a debugger to listen, which a request that runs begins when a signal follows.
    pub(crate) fn request_debugger(&self) {
        self.at(DEBUGGER).store(1, Ordering::SeqCst);
    }

    /// Nobody waits for a debugger any more.
    pub(crate) fn withdraw_debugger(&self) {
        self.at(DEBUGGER).store(0, Ordering::SeqCst);
    }

    /// Whether the slot's request has started.
    pub(crate) fn started(&self, slot: usize) -> bool {
        self.byte(STARTED, slot).load(Ordering::SeqCst) != 0
    }

    /// The id of the running request, or of the last that ran; 0 before the first.
    pub(crate) fn running(&self) -> u64 {
        // SAFETY: offset 0 of a mapped page is aligned for a u64, and only reached atomically from here.
        unsafe { AtomicU64::from_ptr(self.page.as_ptr().cast()) }.load(Ordering::SeqCst)
    }

    /// How many objects the session holds for clients: what its worker says, and its code may have written.
    pub(crate) fn handles(&self) -> u64 {
        // SAFETY: offset 8 of a mapped page is aligned for a u64, and only reached atomically from here.
        unsafe { AtomicU64::from_ptr(self.page.as_ptr().add(HANDLES).cast()) }.load(Ordering::Relaxed)
    }

    /// Whether the worker only waits for requests.
    pub(crate) fn is_idle(&self) -> bool {
        self.at(IDLE).load(Ordering::SeqCst) != 0
    }

    /// How far the worker is with restoring its affinity.
    pub(crate) fn affinity_restore(&self) -> AffinityRestore {
        match self.at(AFFINITY_RESTORE).load(Ordering::SeqCst) {
            0 => AffinityRestore::None,
            RESTORE_REQUESTED => AffinityRestore::Requested,
            RESTORE_FAILED => AffinityRestore::Failed,
            RESTORE_REFUSED => AffinityRestore::Refused,
            _ => AffinityRestore::InProgress,
        }
    }

    /// Asks the worker to restore these CPUs, one bit each, before it does anything else.
    pub(crate) fn request_restore(&self, cpus: &[u8; CPUS_BYTES]) {
        for (offset, &byte) in (CPUS..).zip(cpus) {
            self.at(offset).store(byte, Ordering::SeqCst);
        }
        self.at(AFFINITY_RESTORE).store(RESTORE_REQUESTED, Ordering::SeqCst);
    }

    /// Withdraws that request. If the worker has already begun, it goes on, which changes nothing.
    pub(crate) fn withdraw_restore(&self) {
        let _ = self.at(AFFINITY_RESTORE).compare_exchange(RESTORE_REQUESTED, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Clears the stack dump behind the page, where the worker's fault handler writes: both processes share the open file and
    /// its position.
    pub(crate) fn reset_stack_dump(&self) -> io::Result<()> {
        let clear = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&self.memory, clear, PAGE as u64, MAX_STACK_DUMP)?;
        seek(&self.memory, SeekFrom::Start(PAGE as u64))?;
        Ok(())
    }

    /// Appends what the stack dump has behind `dump`.
    pub(crate) fn read_stack_dump(&self, dump: &mut Vec<u8>) -> io::Result<()> {
        let mut piece = [0; 16 << 10];
        loop {
            let read = pread(&self.memory, &mut piece, (PAGE + dump.len()) as u64)?;
            let written = piece[..read].iter().position(|&byte| byte == 0).unwrap_or(read);
            dump.extend_from_slice(&piece[..written]);
            if written < piece.len() {
                return Ok(());
            }
        }
    }

    #[cfg(test)]
    pub(super) fn set_idle(&self, idle: bool) {
        self.at(IDLE).store(idle.into(), Ordering::SeqCst);
    }

    #[cfg(test)]
    pub(super) fn cpus(&self) -> Vec<u8> {
        (CPUS..CPUS + CPUS_BYTES).map(|offset| self.at(offset).load(Ordering::SeqCst)).collect()
    }

    #[cfg(test)]
    pub(super) fn set_restore_failed(&self) {
        self.at(AFFINITY_RESTORE).store(RESTORE_FAILED, Ordering::SeqCst);
    }

    fn byte(&self, table: usize, slot: usize) -> &AtomicU8 {
        assert!(slot < 2 * SLOTS, "there are {SLOTS} slots, and as many for nested calls");
        self.at(table + slot)
    }

    fn at(&self, offset: usize) -> &AtomicU8 {
        assert!(offset < PAGE);
        // SAFETY: within the page, which stays mapped as long as `self` lives.
        unsafe { AtomicU8::from_ptr(self.page.as_ptr().add(offset)) }
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` created; no reference to it is left.
        let _ = unsafe { munmap(self.page.as_ptr().cast(), PAGE) };
    }
}
