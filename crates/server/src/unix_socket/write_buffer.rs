//! What a client has not read yet.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use beep_python_runtime::session::service::json::Chunks;
use beep_python_runtime::session::{DatumPieces, HeldMemory};
use bytes::{Buf, Bytes, BytesMut};
use rustix::net::{SendFlags, send};
use tokio::net::UnixStream;

use crate::metrics::server_metrics::sent;
use crate::unix_socket::data::Outgoing;
use crate::unix_socket::readiness::when_writable;

/// Up to this size a copy is cheaper than a chunk of its own.
const COPY_BYTES: usize = 16 << 10;

/// Responses on their way, as one run of bytes: small ones are copied together, so that all that are ready go in one write.
#[derive(Debug, Default)]
pub(super) struct WriteBuffer {
    pieces: VecDeque<Piece>,
    /// What follows them.
    tail: BytesMut,
    bytes: u64,
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    /// Goes with the first byte of the piece behind it, which begins a write of its own.
    Descriptor(Arc<HeldMemory>),
    Datum(DatumPieces),
}

impl WriteBuffer {
    /// How many bytes are left.
    pub(super) fn remaining(&self) -> u64 {
        self.bytes
    }

    /// Appends a line, and the data that go with it.
    pub(super) fn push_with(&mut self, line: Chunks, data: Option<Outgoing>) {
        match data {
            None => self.push(line),
            Some(Outgoing::Descriptor(memory)) => {
                self.end_tail();
                self.pieces.push_back(Piece::Descriptor(memory));
                self.push(line);
                self.end_tail();
            }
            Some(Outgoing::Inline(datum)) => {
                self.push(line);
                self.end_tail();
                if datum.remaining() > 0 {
                    self.bytes += datum.remaining();
                    self.pieces.push_back(Piece::Datum(datum));
                }
            }
        }
    }

    pub(super) fn push(&mut self, answer: Chunks) {
        for piece in answer.iter() {
            self.bytes += piece.len() as u64;
            if piece.len() <= COPY_BYTES {
                self.tail.extend_from_slice(piece);
            } else {
                self.end_tail();
                self.pieces.push_back(Piece::Bytes(piece.clone()));
            }
        }
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(Piece::Bytes(self.tail.split().freeze()));
        }
    }

    /// Writes once, when the socket takes something.
    pub(super) async fn write_to(&mut self, socket: &UnixStream) -> io::Result<()> {
        when_writable(socket, || self.write(socket)).await
    }

    /// Writes all that is left.
    pub(super) async fn write_all_to(&mut self, socket: &UnixStream) -> io::Result<()> {
        while self.bytes > 0 {
            self.write_to(socket).await?;
        }
        Ok(())
    }

    fn write(&mut self, socket: impl AsFd) -> io::Result<()> {
        const FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);
        let written = match self.pieces.front_mut() {
            None => send(socket, &self.tail, FLAGS)?,
            Some(Piece::Bytes(piece)) => send(socket, piece, FLAGS)?,
            Some(Piece::Datum(datum)) => datum.write_to(socket)?,
            Some(Piece::Descriptor(memory)) => {
                let memory = memory.clone();
                let Some(Piece::Bytes(line)) = self.pieces.get(1) else {
                    return Err(io::Error::other("no line goes with a descriptor"));
                };
                let written = beep_python_memory::send(socket, line, &[memory.as_fd()])?;
                self.pieces.pop_front();
                written
            }
        };
        sent(written);
        self.advance(written);
        Ok(())
    }

    fn advance(&mut self, written: usize) {
        self.bytes -= written as u64;
        let is_done = match self.pieces.front_mut() {
            None => {
                self.tail.advance(written);
                return;
            }
            Some(Piece::Bytes(piece)) => {
                piece.advance(written);
                piece.is_empty()
            }
            Some(Piece::Datum(datum)) => datum.remaining() == 0,
            Some(Piece::Descriptor(_)) => false,
        };
        if is_done {
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream as StdStream;

    use super::*;

    #[test]
    fn bytes_leave_in_the_order_in_which_they_came() {
        let large = vec![b'x'; COPY_BYTES + 1];
        let answers = [&b"one\n"[..], b"two\n", &large, b"three\n", &large, b"four\n"];
        let (here, mut there) = StdStream::pair().unwrap();
        let mut out = WriteBuffer::default();
        answers.iter().for_each(|answer| out.push(Chunks::one(answer.to_vec())));
        assert_eq!(out.remaining(), answers.concat().len() as u64);
        let mut left = Vec::new();
        while out.remaining() > 0 {
            let before = out.remaining();
            out.write(&here).unwrap();
            let mut got = vec![0; (before - out.remaining()) as usize];
            there.read_exact(&mut got).unwrap();
            left.extend(got);
        }
        assert!(left == answers.concat());
    }
}
