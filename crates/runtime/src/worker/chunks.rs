//! Bytes in a few pieces, passed on without copying.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces in order. Nearly always there is one, which needs no list.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    /// Empty only if there are no pieces at all.
    first: Bytes,
    /// None of them is empty.
    rest: VecDeque<Bytes>,
}

impl Chunks {
    /// One piece.
    pub fn one(piece: impl Into<Bytes>) -> Chunks {
        Chunks { first: piece.into(), rest: VecDeque::new() }
    }

    /// The length of all pieces together, in bytes.
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
        } else if !piece.is_empty() {
            self.rest.push_back(piece);
        }
    }

    /// Puts a piece before the others.
    pub fn push_front(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        let second = std::mem::replace(&mut self.first, piece);
        if !second.is_empty() {
            self.rest.push_front(second);
        }
    }

    /// Removes the first piece.
    pub fn pop(&mut self) -> Option<Bytes> {
        if self.first.is_empty() {
            return None;
        }
        Some(std::mem::replace(&mut self.first, self.rest.pop_front().unwrap_or_default()))
    }

    /// The pieces, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        Some(&self.first).filter(|piece| !piece.is_empty()).into_iter().chain(&self.rest)
    }

    /// All bytes in one piece; copies if there are several.
    pub fn contiguous(&self) -> Bytes {
        if self.rest.is_empty() {
            return self.first.clone();
        }
        let mut whole = BytesMut::with_capacity(self.len());
        self.iter().for_each(|piece| whole.extend_from_slice(piece));
        whole.freeze()
    }

    /// Makes one piece of all. Of several, each is freed once it is copied.
    pub(crate) fn join(&mut self) -> &[u8] {
        if !self.rest.is_empty() {
            let mut whole = BytesMut::with_capacity(self.len());
            while let Some(piece) = self.pop() {
                whole.extend_from_slice(&piece);
            }
            self.first = whole.freeze();
        }
        &self.first
    }
}

impl From<Bytes> for Chunks {
    fn from(piece: Bytes) -> Chunks {
        Chunks::one(piece)
    }
}

impl FromIterator<Bytes> for Chunks {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Chunks {
        let mut chunks = Chunks::default();
        pieces.into_iter().for_each(|piece| chunks.push(piece));
        chunks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_in_order_and_none_is_empty() {
        let pieces = ["", "a", "", "bc", "d", ""].map(Bytes::from);
        let mut chunks: Chunks = pieces.into_iter().collect();
        assert_eq!((chunks.len(), chunks.is_empty(), chunks.iter().count()), (4, false, 3));
        assert_eq!(chunks.contiguous(), "abcd");
        let mut joined = chunks.clone();
        assert_eq!(joined.join(), b"abcd");
        assert_eq!(joined.iter().count(), 1);
        let popped: Vec<_> = std::iter::from_fn(|| chunks.pop()).collect();
        assert_eq!(popped, ["a", "bc", "d"]);
        assert!(chunks.is_empty() && chunks.contiguous().is_empty());
    }
}
