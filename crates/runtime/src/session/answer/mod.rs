//! What the session core answers, composed once for all that carries JSON.
//!
//! [`encode_response`] puts an answer together around what the worker wrote, which passes through unread; a transport frames the
//! [`EncodedResponse`] answer in its own way.

mod encode_response;
mod events;
pub mod floats;
mod pieces;

pub use encode_response::{ArrayFormat, EncodedResponse, encode_response};
pub use events::{Told, tell};
pub use pieces::Chunks;
