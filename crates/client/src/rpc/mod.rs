//! The RPC backend: gRPC over one HTTP/2 connection, which all calls share.

pub(crate) mod backend;
mod channel;
mod data;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod reply;
mod request;
mod status;
mod subscribe;
pub(crate) mod transport;
