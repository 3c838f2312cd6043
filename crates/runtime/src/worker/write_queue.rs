//! Requests on their way to a worker.

use std::io;
use std::sync::Mutex;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::Notify;

/// Frames that are not written yet. Whatever is put in while other tasks run goes out in one write.
#[derive(Debug, Default)]
pub(crate) struct WriteQueue {
    frames: Mutex<BytesMut>,
    filled: Notify,
}

impl WriteQueue {
    /// Lets `append` append frames.
    pub(crate) fn push(&self, append: impl FnOnce(&mut BytesMut)) {
        append(&mut self.frames.lock().expect("no panic while held"));
        self.filled.notify_one();
    }

    /// Writes what is put in, until the pipe breaks. `before_write` is called before each write.
    pub(crate) async fn write_to(&self, sink: &mut pipe::Sender, mut before_write: impl FnMut()) -> io::Error {
        let mut writing = BytesMut::new();
        loop {
            self.filled.notified().await;
            std::mem::swap(&mut writing, &mut *self.frames.lock().expect("no panic while held"));
            if writing.is_empty() {
                continue; // it went out with what was put in before
            }
            before_write();
            if let Err(error) = sink.write_all(&writing).await {
                return error;
            }
            if writing.capacity() > 1 << 20 {
                writing = BytesMut::new(); // a large request was sent; do not keep its memory
            }
            writing.clear();
        }
    }
}
