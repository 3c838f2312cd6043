//! Listening sockets of a server, each with what it is for.

use std::os::fd::OwnedFd;

/// The names of sockets, by what they are for.
pub(crate) const HTTP: &str = "http";
pub(crate) const PIPE: &str = "pipe";
pub(crate) const RPC: &str = "rpc";

/// Listening sockets of a server, each with its name.
pub type NamedSockets = Vec<(&'static str, OwnedFd)>;
