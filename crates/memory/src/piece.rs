//! Buffers for pieces of memory on their way, used again and again.

use parking_lot::Mutex;

/// How much is read of memory at once.
pub(crate) const PIECE_BYTES: usize = 256 << 10;
/// How many unused buffers this process keeps.
const MAX_KEPT: usize = 8;

static UNUSED: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer, which goes back when it is dropped.
pub(crate) struct PieceBuffer(pub(crate) Vec<u8>);

impl PieceBuffer {
    /// An empty buffer with room for a piece.
    pub(crate) fn take() -> PieceBuffer {
        let unused = UNUSED.lock().pop();
        PieceBuffer(unused.unwrap_or_else(|| Vec::with_capacity(PIECE_BYTES)))
    }
}

impl AsRef<[u8]> for PieceBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for PieceBuffer {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        buffer.clear();
        let mut unused = UNUSED.lock();
        if unused.len() < MAX_KEPT {
            unused.push(buffer);
        }
    }
}
