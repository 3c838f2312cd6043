//! Calls from Python: to the host, and through it to the client of the running call.

pub(crate) mod client;
pub(crate) mod host;
pub(crate) mod message;
