//! What the session core answers, composed once for every transport that carries JSON.
//!
//! [`compose`] puts an answer together around what the worker wrote, which passes through unread; a transport frames the
//! [`Composed`] answer in its own way.

mod compose;
pub(crate) mod floats;
mod pieces;

pub(crate) use compose::{Arrays, Composed, compose};
pub(crate) use pieces::Pieces;
