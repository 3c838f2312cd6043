//! The plan of one server to start.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use crate::auth::TokenText;
use crate::launch::named_sockets::NamedSockets;
use crate::launch::surroundings::Variables;
use crate::unix_socket::name::PipeName;

/// One server to start.
#[derive(Clone, Debug, Default)]
pub struct LaunchPlan {
    /// Its id; a new one when absent.
    pub id: Option<String>,
    /// The hosts to listen on; both addresses of loopback when there are none.
    pub hosts: Vec<String>,
    /// Whether other machines may reach them: where it speaks TLS, or that is not wanted.
    pub remote: bool,
    /// The port of HTTP, if it is served; 0 takes a free one.
    pub http: Option<u16>,
    /// The name of the pipe, if one is served.
    pub pipe: Option<PipeName>,
    /// The port of RPC, if it is served; 0 takes a free one.
    pub rpc: Option<u16>,
    /// Sockets that its predecessor or a service manager has handed over; for backends without one, those above are bound.
    pub sockets: Option<Arc<NamedSockets>>,
    /// Its working directory; that of this process when absent.
    pub directory: Option<PathBuf>,
    /// Its variables; those of this process when absent.
    pub variables: Option<Variables>,
    /// What follows `serve --id ID --log FILE` on its command line.
    pub arguments: Vec<String>,
    /// The read end of a pipe that becomes its standard input: the server ends when the other end is closed, for whatever
    /// reason. Without it, the server outlives its starter.
    pub lifeline: Option<Arc<OwnedFd>>,
    /// What code reads as its standard input; otherwise it asks its client.
    pub stdin: Option<Arc<OwnedFd>>,
    /// The token that it takes as its default one, in place of that in a file. It goes over a pipe, and into no variable, where the
    /// code of sessions could read it.
    pub token: Option<TokenText>,
}
