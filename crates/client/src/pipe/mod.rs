//! The pipe backend: one JSON object a line over a Unix socket.

mod connection;
mod endpoint;
mod line;
mod subscribe;
mod transport;

pub use endpoint::PipeEndpoint;
pub use transport::PipeBackend;
