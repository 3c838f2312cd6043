//! Memory as it lies in this process.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd};

use memmap2::{Mmap, MmapOptions};

use crate::error::MemoryError;
use crate::memory::Memory;

/// A part of a snapshot, mapped for reading: a slice of bytes that nobody changes.
#[derive(Debug)]
pub struct Mapping {
    /// `None` where nothing is mapped: the kernel maps no empty ranges.
    map: Option<Mmap>,
}

impl Mapping {
    /// Maps `length` bytes at `offset`. An error where others may still write the memory, or it is smaller than that.
    pub fn of(memory: &Memory, offset: u64, length: u64) -> Result<Mapping, MemoryError> {
        memory.check(offset, length, false)?;
        if !memory.is_snapshot() {
            return Err(MemoryError::System(io::Error::other("it may still be written, so there is no slice of it")));
        }
        if length == 0 {
            return Ok(Mapping { map: None });
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        // SAFETY: the memory has so many bytes, and seals forbid that it shrinks or that anything writes to it.
        let map = unsafe { MmapOptions::new().offset(offset).len(length).map(memory.as_fd().as_raw_fd())? };
        Ok(Mapping { map: Some(map) })
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}
