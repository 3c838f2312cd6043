//! The RPC backend: gRPC over one HTTP/2 connection, which all calls share.

mod channel;
mod reply;
mod request;
mod subscribe;
mod transport;

pub use transport::RpcBackend;
