//! The pipe backend: one JSON object a line over a Unix socket.

pub(crate) mod backend;
mod connection;
mod destination;
pub(crate) mod endpoint;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod line;
mod subscribe;
pub(crate) mod transport;
