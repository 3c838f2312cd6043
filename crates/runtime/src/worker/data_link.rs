//! The data link: a socket beside the pipes, over which memory goes as descriptors, both ways.
//!
//! A message is sent before the frame that refers to it, so that it is there when the frame is read. It has a number, a u64:
//! of the host's messages the id of the request, of the worker's the number that the answer names.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use beep_python_memory::{Memory, MemoryError, receive, send};
use parking_lot::Mutex;

use crate::worker::wire::WireId;

/// How many messages may wait for their frames: more than that a worker sends only to be a nuisance.
const MAX_UNCLAIMED: usize = 64;

/// The host's end.
#[derive(Debug)]
pub(crate) struct DataLink {
    socket: OwnedFd,
    /// What was read and is not claimed yet, by number: answers of two threads may change places.
    unclaimed: Mutex<HashMap<u64, OwnedFd>>,
}

/// Why there is no memory for an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataLinkError {
    /// It did not come, or its descriptor was dropped since this process may open no more.
    #[error("its memory did not arrive: this process may have too many open files")]
    Lost,
    /// What came is no sealed memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

impl DataLink {
    /// The end of a socket of messages (`SOCK_SEQPACKET`).
    pub(crate) fn new(socket: OwnedFd) -> DataLink {
        DataLink { socket, unclaimed: Mutex::default() }
    }

    /// Sends the data of a request, whose frame has to follow, and memory that is lent for its answer.
    pub(crate) fn send(&self, id: WireId, data: &[impl AsFd], lent: Option<&Memory>) -> io::Result<()> {
        let mut descriptors: Vec<BorrowedFd<'_>> = data.iter().map(AsFd::as_fd).collect();
        let mut message = [0; 10];
        message[..8].copy_from_slice(&id.0.to_le_bytes());
        message[8] = data.len() as u8;
        message[9] = u8::from(lent.is_some());
        descriptors.extend(lent.map(AsFd::as_fd));
        send(&self.socket, &message, &descriptors).map(drop)
    }

    /// The memory of this number, which an answer named.
    pub(crate) fn take(&self, number: u64) -> Result<Memory, DataLinkError> {
        let mut unclaimed = self.unclaimed.lock();
        while !unclaimed.contains_key(&number) {
            let (mut header, mut descriptors) = ([0_u8; 8], Vec::new());
            let received = receive(&self.socket, &mut header, &mut descriptors).map_err(|_| DataLinkError::Lost)?;
            if received.bytes != header.len() {
                return Err(DataLinkError::Lost);
            }
            if let Some(descriptor) = descriptors.pop() {
                if unclaimed.len() == MAX_UNCLAIMED {
                    unclaimed.clear();
                }
                unclaimed.insert(u64::from_le_bytes(header), descriptor);
            }
        }
        let descriptor = unclaimed.remove(&number).ok_or(DataLinkError::Lost)?;
        Ok(Memory::received(descriptor)?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use beep_python_memory::MemoryWriter;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    fn memory(bytes: &[u8]) -> Memory {
        let mut writer = MemoryWriter::create().unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn memory_is_found_by_its_number_in_any_order() {
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let (link, worker) = (DataLink::new(pair.0), DataLink::new(pair.1));
        for number in [1, 2, 3] {
            worker.send(WireId(number), &[memory(&[number as u8])], None).unwrap();
        }
        for number in [3, 1] {
            assert_eq!(link.take(number).unwrap().read_at(0, 9).unwrap(), vec![number as u8]);
        }
        assert!(matches!(link.take(7), Err(DataLinkError::Lost)));
        assert!(matches!(link.take(3), Err(DataLinkError::Lost)), "it is taken once");
        let (pipe, _write) = rustix::pipe::pipe().unwrap();
        worker.send(WireId(8), &[pipe], None).unwrap();
        assert!(matches!(link.take(8), Err(DataLinkError::Memory(MemoryError::NoMemfd))));
        assert!(link.take(2).is_ok());
    }
}
