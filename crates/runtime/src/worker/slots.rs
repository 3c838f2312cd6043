//! The page that host and worker share: who runs, who has started, who is cancelled.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SeekFrom, fstat, ftruncate, memfd_create, seek};
use rustix::io::pread;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// How many requests the host sends ahead. A request's slot is its id modulo this; that of a nested call so much more.
pub const SLOTS: usize = 32;
const PAGE: usize = 4096;
const CANCEL: usize = 64;
const STARTED: usize = 128;
const MAX_NOTES: u64 = 1 << 20;

/// The page, mapped here; the worker maps the same memory.
///
/// Offset 0: u64, the id of the request that runs or ran last, written by the worker. Offset 64: a byte for each slot,
/// not 0 once its request is cancelled, written by the host. Offset 128: a byte for each slot, not 0 once its request
/// has started, written by the worker.
#[derive(Debug)]
pub struct Slots {
    page: NonNull<u8>,
    memory: OwnedFd,
}

// SAFETY: the page is reached through atomics only, and stays mapped as long as the value lives.
unsafe impl Send for Slots {}
// SAFETY: as above.
unsafe impl Sync for Slots {}

impl Slots {
    /// A fresh page.
    pub fn new() -> io::Result<Slots> {
        let memory = memfd_create("beep-python-slots", MemfdFlags::CLOEXEC)?;
        ftruncate(&memory, PAGE as u64)?;
        // SAFETY: a new mapping at an address of the kernel's choice, of a file that is as long.
        let page = unsafe {
            mmap(std::ptr::null_mut(), PAGE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &memory, 0)?
        };
        let page = NonNull::new(page.cast()).ok_or_else(|| io::Error::other("mmap gave no address"))?;
        Ok(Slots { page, memory })
    }

    /// The memory, to be sent to the worker.
    pub fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// Makes a slot ready for a new request.
    pub fn clear(&self, slot: usize) {
        self.byte(CANCEL, slot).store(0, Ordering::SeqCst);
        self.byte(STARTED, slot).store(0, Ordering::SeqCst);
    }

    /// Asks that the slot's request does not start or, with a signal after, that it stops.
    pub fn cancel(&self, slot: usize) {
        self.byte(CANCEL, slot).store(1, Ordering::SeqCst);
    }

    /// Whether the slot's request has started.
    pub fn started(&self, slot: usize) -> bool {
        self.byte(STARTED, slot).load(Ordering::SeqCst) != 0
    }

    /// The id of the request that runs, or ran last; 0 before the first.
    pub fn running(&self) -> u64 {
        // SAFETY: offset 0 of a mapped page is aligned for a u64, and only reached atomically from here.
        unsafe { AtomicU64::from_ptr(self.page.as_ptr().cast()) }.load(Ordering::SeqCst)
    }

    /// Makes room for what the worker writes behind the page: host and worker have the memory open as one file, with one
    /// position in it.
    pub fn clear_notes(&self) -> io::Result<()> {
        ftruncate(&self.memory, PAGE as u64)?;
        seek(&self.memory, SeekFrom::Start(PAGE as u64))?;
        Ok(())
    }

    /// How much it has written.
    pub fn size_of_notes(&self) -> u64 {
        fstat(&self.memory).map_or(0, |stat| (stat.st_size as u64).saturating_sub(PAGE as u64))
    }

    /// What it has written, up to 1 MiB.
    pub fn take_notes(&self) -> io::Result<Vec<u8>> {
        let mut notes = vec![0; self.size_of_notes().min(MAX_NOTES) as usize];
        let read = pread(&self.memory, &mut notes[..], PAGE as u64)?;
        notes.truncate(read);
        self.clear_notes()?;
        Ok(notes)
    }

    fn byte(&self, table: usize, slot: usize) -> &AtomicU8 {
        assert!(slot < 2 * SLOTS, "there are {SLOTS} slots, and as many of nested calls");
        // SAFETY: within the page, which stays mapped as long as `self` lives.
        unsafe { AtomicU8::from_ptr(self.page.as_ptr().add(table + slot)) }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made; nothing refers to it any more.
        let _ = unsafe { munmap(self.page.as_ptr().cast(), PAGE) };
    }
}
