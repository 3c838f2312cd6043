//! The HTTP backend: HTTP/1.1 on keep-alive connections of its own.

pub(crate) mod backend;
mod connection;
mod data;
pub(crate) mod destination;
pub(crate) mod endpoint;
pub(crate) mod header;
pub(crate) mod login;
pub(crate) mod stream;
mod subscribe;
pub(crate) mod transport;
