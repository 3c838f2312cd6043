//! What the session core answers, composed once for all that carries JSON.
//!
//! [`encode_response`] puts an answer together around what the worker wrote, which passes through unread; a transport frames the
//! [`EncodedResponse`] answer in its own way.

mod encode;
mod event;
pub mod floats;

pub use crate::worker::chunks::Chunks;
pub use encode::{ArrayFormat, EncodedResponse, encode_response};
pub use event::{EncodedEvent, encode_event, event_json};
