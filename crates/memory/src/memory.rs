//! Memory that is sealed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{OFlags, SealFlags, fcntl_get_seals, fcntl_getfl, fstat};
use rustix::io::{Errno, pread};

use crate::error::MemoryError;
use crate::piece::{PIECE_BYTES, PieceBuffer};

/// Memory that cannot shrink. It lives until its last descriptor, in any process, is closed.
#[derive(Debug)]
pub struct Memory {
    descriptor: OwnedFd,
    length: u64,
    seals: SealFlags,
}

impl Memory {
    /// Memory that another process made; an error unless it is a memfd that is sealed against shrinking.
    pub fn received(descriptor: OwnedFd) -> Result<Memory, MemoryError> {
        if fcntl_getfl(&descriptor)? & OFlags::ACCMODE == OFlags::WRONLY {
            return Err(MemoryError::NotReadable);
        }
        let seals = fcntl_get_seals(&descriptor).map_err(|error| match error {
            Errno::INVAL => MemoryError::NoMemfd,
            other => other.into(),
        })?;
        if !seals.contains(SealFlags::SHRINK) {
            return Err(MemoryError::NotSealed);
        }
        let length = u64::try_from(fstat(&descriptor)?.st_size).unwrap_or(0);
        Ok(Memory { descriptor, length, seals })
    }

    /// The same, which another process may have made larger since.
    pub fn refreshed(self) -> Result<Memory, MemoryError> {
        Memory::received(self.descriptor)
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether nobody can change its bytes any more.
    pub fn is_snapshot(&self) -> bool {
        self.seals.contains(SealFlags::WRITE)
    }

    /// An error unless `length` bytes lie at `offset`, and its size is sealed where it will be `shared`.
    pub fn check(&self, offset: u64, length: u64, shared: bool) -> Result<(), MemoryError> {
        if offset.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(MemoryError::TooSmall { found: self.length, offset, length });
        }
        if shared && !self.seals.contains(SealFlags::SHRINK | SealFlags::GROW) {
            return Err(MemoryError::NotShareable);
        }
        Ok(())
    }

    /// A copy of up to `length` bytes at `offset`; fewer only at its end.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, MemoryError> {
        let mut read = Vec::with_capacity(length);
        self.fill(&mut read, offset, length)?;
        Ok(read.into())
    }

    /// The same, of at most 256 KiB, into a buffer that is used again when all clones of the copy are gone: it is still in the
    /// processor's cache.
    pub fn read_piece(&self, offset: u64, length: usize) -> Result<Bytes, MemoryError> {
        let mut buffer = PieceBuffer::take();
        self.fill(&mut buffer.0, offset, length.min(PIECE_BYTES))?;
        Ok(Bytes::from_owner(buffer))
    }

    fn fill(&self, buffer: &mut Vec<u8>, offset: u64, length: usize) -> Result<(), MemoryError> {
        while buffer.len() < length {
            let at = offset + buffer.len() as u64;
            if pread(&self.descriptor, spare_capacity(buffer), at)? == 0 {
                break;
            }
        }
        buffer.truncate(length); // there may be more room than was asked for
        Ok(())
    }

    /// A second descriptor of the same memory.
    pub fn try_clone_descriptor(&self) -> Result<OwnedFd, MemoryError> {
        Ok(self.descriptor.try_clone()?)
    }
}

impl AsFd for Memory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;
    use crate::{Mapping, MemoryWriter};

    fn snapshot(bytes: &[u8]) -> Memory {
        let mut writer = MemoryWriter::create().unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn snapshot_is_read_and_mapped() {
        let memory = snapshot(b"0123456789");
        assert!(memory.is_snapshot());
        assert_eq!(memory.read_at(2, 3).unwrap(), "234");
        assert_eq!(memory.read_at(8, 30).unwrap(), "89");
        assert_eq!(&*Mapping::of(&memory, 3, 4).unwrap(), b"3456");
        assert_eq!(&*Mapping::of(&memory, 10, 0).unwrap(), b"");
        let again = Memory::received(memory.try_clone_descriptor().unwrap()).unwrap();
        assert_eq!(again.len(), 10);
    }

    #[test]
    fn nothing_changes_a_snapshot() {
        let memory = snapshot(b"abc");
        assert!(ftruncate(&memory, 1).is_err() && ftruncate(&memory, 9).is_err());
        assert!(rustix::io::pwrite(&memory, b"x", 0).is_err());
    }

    #[test]
    fn what_is_no_sealed_memory_is_refused() {
        let (pipe, _write) = rustix::pipe::pipe().unwrap();
        assert!(matches!(Memory::received(pipe), Err(MemoryError::NoMemfd)));
        let unsealed = memfd_create("x", MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(matches!(Memory::received(unsealed), Err(MemoryError::NotSealed)));
    }

    #[test]
    fn memory_has_what_its_description_says() {
        let memory = snapshot(b"abc");
        assert!(memory.check(1, 2, true).is_ok());
        for (offset, length) in [(0, 4), (3, 1), (u64::MAX, 2)] {
            assert!(matches!(memory.check(offset, length, false), Err(MemoryError::TooSmall { .. })));
        }
        let live = memfd_create("x", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::fcntl_add_seals(&live, SealFlags::SHRINK).unwrap();
        let live = Memory::received(live).unwrap();
        assert!(matches!(live.check(0, 0, true), Err(MemoryError::NotShareable)));
        assert!(Mapping::of(&live, 0, 0).is_err());
    }
}
