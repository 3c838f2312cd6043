//! Errors of received memory.

use std::io;

/// Why a descriptor cannot be used as memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// It is no memory of the kernel that can be sealed.
    #[error("the descriptor is no memfd: make one with memfd_create and MFD_ALLOW_SEALING")]
    NoMemfd,
    /// It is open for writing only.
    #[error("the memfd is open for writing only: send a descriptor that can be read")]
    NotReadable,
    /// It may still shrink, which would kill a process that maps it.
    #[error("the memfd is not sealed: add F_SEAL_SHRINK before it is sent")]
    NotSealed,
    /// It may still grow or shrink, so it cannot be shared.
    #[error("memory that both sides write must be sealed: add F_SEAL_SHRINK and F_SEAL_GROW before it is sent")]
    NotShareable,
    /// It has fewer bytes than its description says.
    #[error("the memory has {found} bytes, its description says {offset} and {length} more")]
    TooSmall {
        /// The bytes that it has.
        found: u64,
        /// Where the data begins.
        offset: u64,
        /// The bytes of the data.
        length: u64,
    },
    /// The system failed.
    #[error("the memory cannot be used: {0}")]
    System(#[from] io::Error),
}

impl From<rustix::io::Errno> for MemoryError {
    fn from(error: rustix::io::Errno) -> MemoryError {
        MemoryError::System(error.into())
    }
}
