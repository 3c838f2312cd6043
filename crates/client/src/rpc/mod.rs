//! The RPC backend: gRPC over one HTTP/2 connection, which all calls share.

mod backend;
mod channel;
mod follow;
mod reply;
mod request;

pub use backend::RpcBackend;
