//! A datum: bytes, an array or a table that goes beside the JSON of an answer.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use beep_python_memory::MemoryError;
use beep_python_protocol::DataDescriptor;
use bytes::{Buf, Bytes};
use rustix::net::{SendFlags, send};

use crate::worker::chunks::Chunks;
use crate::worker::data_ledger::HeldMemory;

/// How many bytes are read of a datum at once: so many stay in the processor's cache until they are sent.
const PIECE_BYTES: u64 = 256 << 10;

/// An answer beside JSON: bytes, an array or a table.
#[derive(Debug)]
pub struct Datum {
    /// What it is.
    pub descriptor: DataDescriptor,
    /// Where it lies.
    pub memory: DatumMemory,
}

/// Where a datum lies.
#[derive(Debug)]
pub enum DatumMemory {
    /// In memory of the kernel, at the descriptor's offset.
    Sealed(Arc<HeldMemory>),
    /// In this process: the worker could not make such memory.
    Inline(Chunks),
}

impl Datum {
    /// A datum in the memory that came with its descriptor; an error where that is smaller than it says.
    pub(crate) fn new(descriptor: DataDescriptor, memory: HeldMemory) -> Result<Datum, MemoryError> {
        memory.memory().check(descriptor.offset, descriptor.byte_length, false)?;
        Ok(Datum { descriptor, memory: DatumMemory::Sealed(Arc::new(memory)) })
    }

    /// Its bytes, a piece at a time.
    pub fn into_pieces(self) -> DatumPieces {
        let DataDescriptor { offset, byte_length, .. } = self.descriptor;
        DatumPieces { at: offset, left: byte_length, memory: self.memory, unsent: Bytes::new() }
    }
}

/// The bytes of a datum that are not read yet. Reading never waits.
#[derive(Debug)]
pub struct DatumPieces {
    memory: DatumMemory,
    at: u64,
    left: u64,
    /// A piece that a socket has not taken yet.
    unsent: Bytes,
}

impl DatumPieces {
    /// How many bytes are left.
    pub fn remaining(&self) -> u64 {
        self.unsent.len() as u64 + self.left
    }

    /// Writes as much as a socket takes now. The bytes are copied, not lent as `sendfile` does: what a client has not read yet
    /// must not change when the memory is used again.
    pub fn write_to(&mut self, socket: impl AsFd) -> io::Result<usize> {
        if self.unsent.is_empty() {
            self.unsent = self.next().ok_or(io::ErrorKind::UnexpectedEof)?.map_err(io::Error::other)?;
        }
        let written = send(socket, &self.unsent, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        self.unsent.advance(written);
        Ok(written)
    }
}

impl DatumPieces {
    /// The next piece, of at most so many bytes.
    pub fn next_up_to(&mut self, most: u64) -> Option<Result<Bytes, MemoryError>> {
        let length = self.left.min(PIECE_BYTES).min(most);
        if length == 0 {
            return None;
        }
        let piece = match &mut self.memory {
            DatumMemory::Sealed(held) => held.memory().read_piece(self.at, length as usize),
            DatumMemory::Inline(chunks) => {
                let mut chunk = chunks.pop().unwrap_or_default();
                let piece = chunk.split_to(chunk.len().min(length as usize));
                chunks.push_front(chunk);
                Ok(piece)
            }
        };
        Some(piece.and_then(|piece| {
            let read = piece.len() as u64;
            if read == 0 {
                self.left = 0;
                return Err(MemoryError::TooSmall { found: self.at, offset: self.at, length });
            }
            (self.at, self.left) = (self.at + read, self.left - read);
            Ok(piece)
        }))
    }
}

impl Iterator for DatumPieces {
    type Item = Result<Bytes, MemoryError>;

    fn next(&mut self) -> Option<Result<Bytes, MemoryError>> {
        self.next_up_to(PIECE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use beep_python_memory::{Memory, MemoryWriter};

    use super::*;
    use crate::worker::data_ledger::DataLedger;

    fn memory(length: usize) -> Memory {
        let mut writer = MemoryWriter::create().unwrap();
        writer.write_all(&vec![7; length]).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn datum_is_read_in_pieces() {
        let ledger = Arc::new(DataLedger::new(None, 10));
        let length = 2 * PIECE_BYTES + 5;
        let descriptor = DataDescriptor { byte_length: length, offset: 3, ..DataDescriptor::default() };
        let datum = Datum::new(descriptor.clone(), ledger.hold(memory(length as usize + 3)).unwrap()).unwrap();
        let pieces: Vec<_> = datum.into_pieces().map(|piece| piece.unwrap().len() as u64).collect();
        assert_eq!(pieces, [PIECE_BYTES, PIECE_BYTES, 5]);
        assert_eq!(ledger.bytes(), 0, "it is freed when it is read");
        assert!(Datum::new(descriptor, ledger.hold(memory(length as usize)).unwrap()).is_err());
        let inline = Datum {
            descriptor: DataDescriptor { byte_length: 9, ..DataDescriptor::default() },
            memory: DatumMemory::Inline(Chunks::one(&b"abc"[..])),
        };
        let mut pieces = inline.into_pieces();
        assert_eq!(pieces.next_up_to(2).unwrap().unwrap(), "ab");
        assert_eq!(pieces.next().unwrap().unwrap(), "c");
        assert!(pieces.next().unwrap().is_err(), "a worker that sends less than it says");
        assert!(pieces.next().is_none());
    }
}
