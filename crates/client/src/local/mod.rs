//! The local backend: the session core in this process, without a socket.

mod backend;
mod host;
mod options;

pub use backend::LocalBackend;
pub use options::{LocalOptions, LocalPython};
