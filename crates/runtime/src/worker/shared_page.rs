//! The page that host and worker share: who runs, who has started, who is cancelled.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SeekFrom, fstat, ftruncate, memfd_create, seek};
use rustix::io::pread;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// How many requests the host sends ahead. A request's slot is its id modulo this; that of a nested call so much more.
pub(crate) const SLOTS: usize = 32;
const PAGE: usize = 4096;
const CANCEL: usize = 64;
const STARTED: usize = 128;
const IDLE: usize = 192;
const AFFINITY_RESTORE: usize = 193;
const RESTORE_REQUESTED: u8 = 1;
const RESTORE_FAILED: u8 = 3;
const CPUS: usize = 256;
/// How many bytes the page has for CPUs, eight to each.
pub(super) const CPUS_BYTES: usize = 128;
const MAX_STACK_DUMP: u64 = 1 << 20;

/// The page, mapped here; the worker maps the same memory.
///
/// Offset 0: u64, the id of the request that runs or ran last, written by the worker. Offset 64: a byte for each slot,
/// not 0 once its request is cancelled, written by the host. Offset 128: a byte for each slot, not 0 once its request
/// has started, written by the worker. Offset 192: a byte, not 0 while the worker waits for requests and does nothing else,
/// written by the worker. Offset 193: a byte, [`AffinityRestore`], written by both. Offset 256: a bit for each of 1024 CPUs, written
/// by the host.
#[derive(Debug)]
pub(crate) struct SharedPage {
    page: NonNull<u8>,
    memory: OwnedFd,
}

// SAFETY: the page is reached through atomics only, and stays mapped as long as the value lives.
unsafe impl Send for SharedPage {}
// SAFETY: as above.
unsafe impl Sync for SharedPage {}

/// Whether a worker goes back to its CPUs, once it has been let wake up on one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AffinityRestore {
    /// It is on all of them.
    None,
    /// It was told to, and has not begun.
    Requested,
    /// It is about to.
    InProgress,
    /// It was not let.
    Failed,
}

impl SharedPage {
    /// A fresh page.
    pub(crate) fn new() -> io::Result<SharedPage> {
        let memory = memfd_create("beep-python-page", MemfdFlags::CLOEXEC)?;
        ftruncate(&memory, PAGE as u64)?;
        // SAFETY: a new mapping at an address of the kernel's choice, of a file that is as long.
        let page = unsafe {
            mmap(std::ptr::null_mut(), PAGE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &memory, 0)?
        };
        let page = NonNull::new(page.cast()).ok_or_else(|| io::Error::other("mmap gave no address"))?;
        Ok(SharedPage { page, memory })
    }

    /// The memory, to be sent to the worker.
    pub(crate) fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// Makes a slot ready for a new request.
    pub(crate) fn clear(&self, slot: usize) {
        self.byte(CANCEL, slot).store(0, Ordering::SeqCst);
        self.byte(STARTED, slot).store(0, Ordering::SeqCst);
    }

    /// Asks that the slot's request does not start or, with a signal after, that it stops.
    pub(crate) fn cancel(&self, slot: usize) {
        self.byte(CANCEL, slot).store(1, Ordering::SeqCst);
    }

    /// Whether the slot's request has started.
    pub(crate) fn started(&self, slot: usize) -> bool {
        self.byte(STARTED, slot).load(Ordering::SeqCst) != 0
    }

    /// The id of the request that runs, or ran last; 0 before the first.
    pub(crate) fn running(&self) -> u64 {
        // SAFETY: offset 0 of a mapped page is aligned for a u64, and only reached atomically from here.
        unsafe { AtomicU64::from_ptr(self.page.as_ptr().cast()) }.load(Ordering::SeqCst)
    }

    /// Whether the worker waits for requests, and does nothing else.
    pub(crate) fn is_idle(&self) -> bool {
        self.at(IDLE).load(Ordering::SeqCst) != 0
    }

    /// How far it is with going back to its CPUs.
    pub(crate) fn affinity_restore(&self) -> AffinityRestore {
        match self.at(AFFINITY_RESTORE).load(Ordering::SeqCst) {
            0 => AffinityRestore::None,
            RESTORE_REQUESTED => AffinityRestore::Requested,
            RESTORE_FAILED => AffinityRestore::Failed,
            _ => AffinityRestore::InProgress,
        }
    }

    /// Tells it to go back to these CPUs, a bit for each, before it does anything else.
    pub(crate) fn request_restore(&self, cpus: &[u8; CPUS_BYTES]) {
        for (offset, &byte) in (CPUS..).zip(cpus) {
            self.at(offset).store(byte, Ordering::SeqCst);
        }
        self.at(AFFINITY_RESTORE).store(RESTORE_REQUESTED, Ordering::SeqCst);
    }

    /// It need not. Where it has begun with it, it goes on, which changes nothing.
    pub(crate) fn withdraw_restore(&self) {
        let _ = self.at(AFFINITY_RESTORE).compare_exchange(RESTORE_REQUESTED, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Makes room for what the worker writes behind the page: host and worker have the memory open as one file, with one
    /// position in it.
    pub(crate) fn reset_stack_dump(&self) -> io::Result<()> {
        ftruncate(&self.memory, PAGE as u64)?;
        seek(&self.memory, SeekFrom::Start(PAGE as u64))?;
        Ok(())
    }

    /// What it has written so far, up to 1 MiB.
    pub(crate) fn stack_dump(&self) -> io::Result<Vec<u8>> {
        let size = (fstat(&self.memory)?.st_size as u64).saturating_sub(PAGE as u64);
        let mut dump = vec![0; size.min(MAX_STACK_DUMP) as usize];
        let read = pread(&self.memory, &mut dump[..], PAGE as u64)?;
        dump.truncate(read);
        Ok(dump)
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
        assert!(slot < 2 * SLOTS, "there are {SLOTS} slots, and as many of nested calls");
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
        // SAFETY: the mapping that `new` made; nothing refers to it any more.
        let _ = unsafe { munmap(self.page.as_ptr().cast(), PAGE) };
    }
}
