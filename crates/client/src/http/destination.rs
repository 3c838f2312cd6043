//! A host, and whether what goes there is for this process's user alone.

use std::fmt;

use beep_python_peer::Peer;
use tokio::net::TcpStream;

use super::endpoint::Endpoint;
use crate::error::Error;
use crate::trust::check;

/// A host over TCP. A token goes to servers of this process's own user and of root: a stranger who listens at the port of a server that
/// has died would take it, and run code with it.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) endpoint: Endpoint,
    /// Whether connections carry a token.
    has_token: bool,
    /// Whether a token may go to any server.
    allows_any: bool,
}

impl Destination {
    pub(crate) fn new(endpoint: Endpoint) -> Destination {
        Destination { endpoint, has_token: false, allows_any: false }
    }

    pub(crate) fn with_token(&self) -> Destination {
        Destination { has_token: true, ..self.clone() }
    }

    pub(crate) fn allowing_any(&self) -> Destination {
        Destination { allows_any: true, ..self.clone() }
    }

    /// A connection to which everything may be sent.
    pub(crate) async fn connect(&self) -> Result<TcpStream, Error> {
        let stream = self.endpoint.connect().await?;
        if self.has_token && !self.allows_any {
            let failed = |source| Error::Connect { endpoint: self.to_string(), source };
            let (local, remote) = (stream.local_addr().map_err(failed)?, stream.peer_addr().map_err(failed)?);
            check(Peer::of_server(local, remote))
                .map_err(|reason| Error::UntrustedServer { endpoint: self.to_string(), reason })?;
        }
        Ok(stream)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}
