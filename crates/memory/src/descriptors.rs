//! Descriptors over a Unix socket (`SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// How many descriptors go with one message at most.
pub const MAX_DESCRIPTORS: usize = 17;

/// Sends bytes with descriptors, which belong to the first byte. Returns how many bytes went out; never waits.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "at most 17 descriptors go with one message"));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags)?)
}

/// What one read of a socket gave.
#[derive(Debug, Default)]
pub struct Received {
    /// How many bytes; 0 at the end.
    pub bytes: usize,
    /// Whether descriptors were lost: there were too many, or this process may open no more.
    pub truncated: bool,
}

/// Reads bytes, and appends the descriptors that came with them. Never waits.
pub fn receive(socket: impl AsFd, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let got = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags)?;
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(sent) = part {
            descriptors.extend(sent);
        }
    }
    Ok(Received { bytes: got.bytes, truncated: got.flags.contains(rustix::net::ReturnFlags::CTRUNC) })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::{Memory, MemoryWriter};

    #[test]
    fn descriptors_come_with_their_bytes() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut writer = MemoryWriter::create().unwrap();
        writer.write_all(b"data").unwrap();
        let memory = writer.finish().unwrap();
        assert_eq!(send(&here, b"one", &[memory.as_fd(), memory.as_fd()]).unwrap(), 3);
        let (mut buffer, mut descriptors) = ([0; 16], Vec::new());
        let received = receive(&there, &mut buffer, &mut descriptors).unwrap();
        assert_eq!((&buffer[..received.bytes], received.truncated, descriptors.len()), (&b"one"[..], false, 2));
        assert_eq!(Memory::received(descriptors.remove(0)).unwrap().read_at(0, 9).unwrap(), "data");
        assert_eq!(receive(&there, &mut buffer, &mut descriptors).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(here);
        assert_eq!(receive(&there, &mut buffer, &mut descriptors).unwrap().bytes, 0);
    }
}
