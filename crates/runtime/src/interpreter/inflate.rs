//! Inflating on a thread of its own, so that it goes on while what came of it is written.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flate2::bufread::GzDecoder;

/// The size of a piece, and how many may be ahead.
const PIECE_BYTES: usize = 256 << 10;
const AHEAD: usize = 16;

/// Calls `work` with what the gzip stream `packed` holds. When `work` returns, inflating ends too.
pub(super) fn inflated<T>(packed: impl io::BufRead + Send, work: impl FnOnce(Chunks) -> T) -> T {
    let (sender, receiver) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || inflate(packed, &sender));
        work(Chunks { receiver, piece: Vec::new(), at: 0 })
    })
}

fn inflate(packed: impl io::BufRead, sender: &SyncSender<io::Result<Vec<u8>>>) {
    let mut stream = GzDecoder::new(packed);
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = stream.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece);
        let ended = !matches!(read, Ok(PIECE_BYTES));
        // An error comes after what could be inflated before it.
        if sender.send(Ok(piece)).is_err() || read.err().is_some_and(|error| sender.send(Err(error)).is_err()) || ended
        {
            return;
        }
    }
}

/// What was inflated, in its order.
pub(super) struct Chunks {
    receiver: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            let Ok(next) = self.receiver.recv() else { return Ok(0) };
            (self.piece, self.at) = (next?, 0);
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read(packed: &[u8]) -> (io::Result<usize>, Vec<u8>) {
        inflated(packed, |mut pieces| {
            let mut content = Vec::new();
            (pieces.read_to_end(&mut content), content)
        })
    }

    #[test]
    fn everything_comes_in_its_order() {
        for size in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 3 * PIECE_BYTES + 7] {
            let content: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let (count, read) = read(&packed(&content));
            assert_eq!(count.unwrap(), size);
            assert!(read == content);
        }
    }

    #[test]
    fn what_is_cut_is_an_error_after_what_was_there() {
        let packed = packed(&vec![7; 2 * PIECE_BYTES]);
        let (count, read) = read(&packed[..packed.len() - 9]);
        assert!(count.is_err());
        assert!(!read.is_empty());
    }

    #[test]
    fn who_stops_reading_ends_it() {
        let packed = packed(&vec![7; 100 * PIECE_BYTES]);
        inflated(&packed[..], |mut pieces| pieces.read_exact(&mut [0; 10])).unwrap();
    }
}
