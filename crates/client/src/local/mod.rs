//! The local backend: the session core in this process, without a socket.

pub(crate) mod backend;
mod embedded_host;
pub(crate) mod options;
pub(crate) mod transport;
