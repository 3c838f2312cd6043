//! The pipe backend: one JSON object a line over a Unix socket.

mod backend;
mod connection;
mod endpoint;
mod follow;
mod line;

pub use backend::PipeBackend;
pub use endpoint::PipeEndpoint;
