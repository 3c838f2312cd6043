//! What the session core answers, composed once for all that carries JSON.
//!
//! [`compose`] puts an answer together around what the worker wrote, which passes through unread; a transport frames the
//! [`Composed`] answer in its own way.

mod compose;
mod events;
pub mod floats;
mod pieces;

pub use compose::{Arrays, Composed, compose};
pub use events::{Told, tell};
pub use pieces::Pieces;
