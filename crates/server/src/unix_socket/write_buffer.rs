//! Bytes that a client has not read yet.

use std::collections::VecDeque;

use beep_python_runtime::session::service::json::Chunks;
use bytes::{Buf, Bytes, BytesMut};

/// Up to this size a copy is cheaper than a chunk of its own.
const COPY_BYTES: usize = 16 << 10;

/// Responses on their way, as one run of bytes: small ones are copied together, so that all that are ready go in one write.
#[derive(Debug, Default)]
pub(super) struct WriteBuffer {
    pieces: VecDeque<Bytes>,
    /// What follows them.
    tail: BytesMut,
    bytes: usize,
}

impl WriteBuffer {
    pub(super) fn push(&mut self, answer: Chunks) {
        for piece in answer.iter() {
            self.bytes += piece.len();
            if piece.len() <= COPY_BYTES {
                self.tail.extend_from_slice(piece);
            } else {
                if !self.tail.is_empty() {
                    self.pieces.push_back(self.tail.split().freeze());
                }
                self.pieces.push_back(piece.clone());
            }
        }
    }
}

impl Buf for WriteBuffer {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&self.tail[..], |piece| &piece[..])
    }

    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(first) = self.pieces.front_mut().filter(|_| count > 0) {
            let part = first.len().min(count);
            first.advance(part);
            count -= part;
            if first.is_empty() {
                self.pieces.pop_front();
            }
        }
        self.tail.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_in_which_they_came() {
        let large = vec![b'x'; COPY_BYTES + 1];
        let answers = [&b"one\n"[..], b"two\n", &large, b"three\n", &large, b"four\n"];
        for step in [1, 3, 5000, usize::MAX] {
            let mut out = WriteBuffer::default();
            answers.iter().for_each(|answer| out.push(Chunks::one(answer.to_vec())));
            assert_eq!(out.remaining(), answers.concat().len());
            let mut left = Vec::new();
            while out.has_remaining() {
                let count = out.chunk().len().min(step);
                left.extend_from_slice(&out.chunk()[..count]);
                out.advance(count);
            }
            assert!(left == answers.concat(), "in steps of {step}");
        }
    }
}
