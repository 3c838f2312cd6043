//! Decompressing gzip on a thread of its own, in parallel with writing the result.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flate2::bufread::GzDecoder;

/// The size of a chunk, and how many may be buffered.
const CHUNK_BYTES: usize = 256 << 10;
const MAX_BUFFERED: usize = 16;

/// Calls `work` with the content of the gzip stream `packed`. Decompression ends when `work` returns.
pub(super) fn with_inflated<T>(packed: impl io::BufRead + Send, work: impl FnOnce(Chunks) -> T) -> T {
    let (sender, receiver) = sync_channel(MAX_BUFFERED);
    std::thread::scope(|scope| {
        scope.spawn(move || inflate(packed, &sender));
        work(Chunks { receiver, chunk: Vec::new(), at: 0 })
    })
}

fn inflate(packed: impl io::BufRead, sender: &SyncSender<io::Result<Vec<u8>>>) {
    let mut stream = GzDecoder::new(packed);
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let read = stream.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
        let ended = !matches!(read, Ok(CHUNK_BYTES));
        // An error follows what was decompressed before it.
        if sender.send(Ok(chunk)).is_err() || read.err().is_some_and(|error| sender.send(Err(error)).is_err()) || ended
        {
            return;
        }
    }
}

/// The decompressed stream.
pub(super) struct Chunks {
    receiver: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            let Ok(next) = self.receiver.recv() else { return Ok(0) };
            (self.chunk, self.at) = (next?, 0);
        }
        let count = buffer.len().min(self.chunk.len() - self.at);
        buffer[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
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
        with_inflated(packed, |mut stream| {
            let mut content = Vec::new();
            (stream.read_to_end(&mut content), content)
        })
    }

    #[test]
    fn everything_comes_in_its_order() {
        for size in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 7] {
            let content: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let (count, read) = read(&packed(&content));
            assert_eq!(count.unwrap(), size);
            assert!(read == content);
        }
    }

    #[test]
    fn what_is_cut_is_an_error_after_what_was_there() {
        let packed = packed(&vec![7; 2 * CHUNK_BYTES]);
        let (count, read) = read(&packed[..packed.len() - 9]);
        assert!(count.is_err());
        assert!(!read.is_empty());
    }

    #[test]
    fn who_stops_reading_ends_it() {
        let packed = packed(&vec![7; 100 * CHUNK_BYTES]);
        with_inflated(&packed[..], |mut stream| stream.read_exact(&mut [0; 10])).unwrap();
    }
}
