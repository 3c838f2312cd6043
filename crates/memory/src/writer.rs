//! Filling memory.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::error::MemoryError;
use crate::memory::Memory;

/// New memory, which grows as it is written. Dropping it frees the memory.
#[derive(Debug)]
pub struct MemoryWriter {
    file: File,
}

impl MemoryWriter {
    /// Empty memory. It is written, not mapped: so it counts against no process, and the kernel copies once.
    pub fn create() -> io::Result<MemoryWriter> {
        let descriptor = memfd_create("beep-python-data", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        Ok(MemoryWriter { file: File::from(descriptor) })
    }

    /// Seals the memory: its bytes never change from now on.
    pub fn finish(self) -> Result<Memory, MemoryError> {
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        fcntl_add_seals(&self.file, seals)?;
        Memory::received(OwnedFd::from(self.file))
    }
}

impl MemoryWriter {
    /// The memory as another process may go on writing it. It cannot shrink.
    pub fn into_growing(self) -> Result<Memory, MemoryError> {
        fcntl_add_seals(&self.file, SealFlags::SHRINK)?;
        Memory::received(OwnedFd::from(self.file))
    }
}

impl Write for MemoryWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for MemoryWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
