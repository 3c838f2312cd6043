//! TLS for HTTP and RPC: the files that say who the server is, read again when they change, and the streams of connections.

mod acceptor;
mod error;
mod files;
mod self_signed;
mod stream;

pub use acceptor::Tls;
pub use error::TlsError;
pub use files::{TlsFiles, fingerprint_of};
pub use self_signed::self_signed;
pub(crate) use stream::ServerStream;
