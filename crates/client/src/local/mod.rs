//! The local backend: the session core in this process, without a socket.

mod embedded_host;
mod options;
mod transport;

pub use options::{LocalOptions, LocalPython};
pub use transport::LocalBackend;
