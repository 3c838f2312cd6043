//! Bytes in a few pieces, sent as they are.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces that follow one another; none of them is empty.
#[derive(Debug, Default)]
pub struct Chunks(VecDeque<Bytes>);

impl Chunks {
    /// One piece.
    pub fn one(piece: impl Into<Bytes>) -> Chunks {
        std::iter::once(piece.into()).collect()
    }

    /// The bytes of all of them.
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the first.
    pub fn pop(&mut self) -> Option<Bytes> {
        self.0.pop_front()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter()
    }

    /// All in one; copies where there are several.
    pub fn contiguous(&self) -> Bytes {
        match self.0.as_slices() {
            ([], _) => Bytes::new(),
            ([one], []) => one.clone(),
            _ => {
                let mut whole = BytesMut::with_capacity(self.len());
                self.iter().for_each(|piece| whole.extend_from_slice(piece));
                whole.freeze()
            }
        }
    }
}

impl FromIterator<Bytes> for Chunks {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Chunks {
        Chunks(pieces.into_iter().filter(|piece| !piece.is_empty()).collect())
    }
}
