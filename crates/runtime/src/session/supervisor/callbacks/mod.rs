//! Calls from Python to the host, and through it to a client.

pub(crate) mod client;
pub(crate) mod host;
