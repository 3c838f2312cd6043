//! The pipe backend: one JSON object a line over a Unix socket.

pub(crate) mod backend;
mod connection;
pub(crate) mod endpoint;
mod line;
mod subscribe;
pub(crate) mod transport;
