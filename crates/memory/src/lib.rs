//! Memory that goes from process to process as a descriptor.
//!
//! [`Memory`] is an anonymous file of the kernel (`memfd_create(2)`) that can no longer shrink, so that a process that maps
//! it cannot be killed by another one that truncates it. A [`MemoryWriter`] fills one; [`Mapping`] shows what lies in one
//! without copying it. [`send`] and [`receive`] pass descriptors over a Unix socket.

mod descriptors;
mod error;
mod mapping;
mod memory;
mod piece;
mod writer;

pub use descriptors::{MAX_DESCRIPTORS, Received, receive, send};
pub use error::MemoryError;
pub use mapping::Mapping;
pub use memory::Memory;
pub use writer::MemoryWriter;
