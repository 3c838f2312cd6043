//! Responses and events of the session core as JSON, once for all transports.
//!
//! [`encode_response`] puts a response together around the worker's bytes, which pass through unread. A transport frames the
//! [`EncodedResponse`] in its own way.

mod encode;
mod event;
pub mod floats;

pub use crate::worker::chunks::Chunks;
pub use encode::{EncodedResponse, encode_response};
pub use event::{EncodedEvent, encode_event, event_json};
pub use floats::ArrayFormat;
