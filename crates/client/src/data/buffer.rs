//! Where the bytes of a datum lie.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use beep_python_memory::{Mapping, Memory, MemoryError, MemoryWriter};
use bytes::Bytes;

/// The bytes of a datum. Cheap to clone: all clones are the same bytes.
#[derive(Clone, Debug)]
pub struct Buffer(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// In this process.
    Own(Bytes),
    /// In memory that a session made and nobody can change, mapped here.
    Mapped(Arc<Mapped>),
    /// In memory that a session may be writing.
    Live(Arc<Region>),
}

#[derive(Debug)]
struct Mapped {
    region: Region,
    mapping: Mapping,
}

/// A part of memory.
#[derive(Debug)]
struct Region {
    memory: Memory,
    offset: u64,
    length: u64,
}

impl Buffer {
    /// The bytes that a descriptor refers to. They are mapped, not copied.
    pub(crate) fn of_descriptor(descriptor: OwnedFd, offset: u64, length: u64) -> Result<Buffer, MemoryError> {
        let memory = Memory::received(descriptor)?;
        memory.check(offset, length, false)?;
        if !memory.is_snapshot() {
            return Ok(Buffer(Kind::Live(Arc::new(Region { memory, offset, length }))));
        }
        let mapping = Mapping::of(&memory, offset, length)?;
        Ok(Buffer(Kind::Mapped(Arc::new(Mapped { region: Region { memory, offset, length }, mapping }))))
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Own(bytes) => bytes.len(),
            Kind::Mapped(mapped) => mapped.mapping.len(),
            Kind::Live(region) => region.length as usize,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes where they lie; `None` of memory that a session may be writing, of which [`to_bytes`](Self::to_bytes) gives
    /// a copy.
    pub fn as_slice(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Own(bytes) => Some(bytes),
            Kind::Mapped(mapped) => Some(&mapped.mapping),
            Kind::Live(_) => None,
        }
    }

    /// The bytes, copied only where a session may be writing them.
    ///
    /// # Errors
    /// The system's, when such memory cannot be read.
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        match &self.0 {
            Kind::Own(bytes) => Ok(bytes.clone()),
            Kind::Mapped(mapped) => Ok(Bytes::from_owner(Shared(mapped.clone()))),
            Kind::Live(region) => {
                region.memory.read_at(region.offset, region.length as usize).map_err(io::Error::other)
            }
        }
    }

    /// A descriptor of memory with these bytes, and where in it they begin. Bytes of this process are copied into such memory.
    pub(crate) fn descriptor(&self) -> io::Result<(OwnedFd, u64)> {
        let region = match &self.0 {
            Kind::Mapped(mapped) => &mapped.region,
            Kind::Live(region) => region,
            Kind::Own(bytes) => {
                let mut writer = MemoryWriter::create()?;
                writer.write_all(bytes)?;
                let memory = writer.finish().map_err(io::Error::other)?;
                return Ok((memory.as_fd().try_clone_to_owned()?, 0));
            }
        };
        Ok((region.memory.as_fd().try_clone_to_owned()?, region.offset))
    }
}

impl From<Bytes> for Buffer {
    fn from(bytes: Bytes) -> Buffer {
        Buffer(Kind::Own(bytes))
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Buffer {
        Buffer(Kind::Own(bytes.into()))
    }
}

struct Shared(Arc<Mapped>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0.mapping
    }
}
