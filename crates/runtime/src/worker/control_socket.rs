//! Messages and descriptors over the zygote's control socket (`SOCK_SEQPACKET`, `SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::unix::AsyncFd;

/// The number of descriptors in a request for a worker; `_worker.py` names them.
pub(super) const DESCRIPTORS: usize = 9;

/// Sends a message and descriptors.
pub(super) fn send(control: &OwnedFd, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("no room for the descriptors"));
    }
    sendmsg(control, &[IoSlice::new(message)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives the next message and its descriptor; `None` once the other end is closed.
pub(super) async fn receive(control: &AsyncFd<OwnedFd>) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    control
        .async_io(tokio::io::Interest::READABLE, |control| {
            let mut message = vec![0u8; 65536];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC;
            let got = recvmsg(control.as_fd(), &mut [IoSliceMut::new(&mut message)], &mut ancillary, flags)?;
            let mut descriptors = Vec::new();
            for part in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = part {
                    descriptors.extend(fds);
                }
            }
            message.truncate(got.bytes);
            Ok((got.bytes > 0).then_some((message, descriptors)))
        })
        .await
}
