//! What HTTP and RPC share: reading bodies and call options, making responses, and events as text.

pub(crate) mod accept;
pub(crate) mod admission;
pub(crate) mod body;
pub(crate) mod body_pace;
pub(crate) mod call_options;
pub(crate) mod connection;
pub(crate) mod content_coding;
pub(crate) mod cors;
pub(crate) mod event_body;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod half_closed;
mod http2_preface;
pub(crate) mod kept_events;
pub(crate) mod panic;
pub(crate) mod probe;
pub(crate) mod response;
pub(crate) mod text;
mod unreadable_head;
