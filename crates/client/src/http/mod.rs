//! The HTTP backend: HTTP/1.1 on keep-alive connections of its own.

mod connection;
mod endpoint;
mod subscribe;
mod transport;

pub use endpoint::Endpoint;
pub use transport::HttpBackend;
#[cfg(feature = "rpc")]
pub(crate) use transport::{bearer, header_value};
