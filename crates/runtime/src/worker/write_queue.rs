//! Frames on their way to a worker.

use std::io;

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::Notify;

/// Frames not written yet. Frames pushed while other tasks run go out in one write.
#[derive(Debug, Default)]
pub(crate) struct WriteQueue {
    frames: Mutex<BytesMut>,
    filled: Notify,
}

impl WriteQueue {
    /// Lets `append` append frames.
    pub(crate) fn push(&self, append: impl FnOnce(&mut BytesMut)) {
        append(&mut self.frames.lock());
        self.filled.notify_one();
    }

    /// Writes frames as they are pushed, until the pipe breaks. `before_write` is called before each write.
    pub(crate) async fn write_to(&self, sink: &mut pipe::Sender, mut before_write: impl FnMut()) -> io::Error {
        let mut writing = BytesMut::new();
        loop {
            self.filled.notified().await;
            std::mem::swap(&mut writing, &mut *self.frames.lock());
            if writing.is_empty() {
                continue; // an earlier write included them
            }
            before_write();
            if let Err(error) = sink.write_all(&writing).await {
                return error;
            }
            if writing.capacity() > 1 << 20 {
                writing = BytesMut::new(); // frees the memory of a large request
            }
            writing.clear();
        }
    }
}
