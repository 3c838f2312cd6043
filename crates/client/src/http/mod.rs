//! The HTTP backend: HTTP/1.1 on keep-alive connections of its own.

mod backend;
mod connection;
mod endpoint;
mod follow;

pub use backend::HttpBackend;
#[cfg(feature = "rpc")]
pub(crate) use backend::{bearer, header_value};
pub use endpoint::Endpoint;
