//! The client over a Unix socket.

use super::endpoint::PipeEndpoint;
use super::transport::PipeTransport;
use crate::client::Client;
use crate::error::Error;

/// A client of a host on this machine, over a Unix socket.
pub type PipeBackend = Client<PipeTransport>;

impl PipeBackend {
    /// A client of the host at an endpoint such as `pipe:my-pipe` or `unix:/path/of/the.sock`. Connections are made when
    /// they are needed; [`health`](Client::health) finds out whether the host is there.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when the text is not an endpoint.
    pub fn connect(endpoint: &str) -> Result<PipeBackend, Error> {
        endpoint.parse().map(PipeBackend::new)
    }

    /// A client of the host at an endpoint.
    pub fn new(endpoint: PipeEndpoint) -> PipeBackend {
        Client::from_transport(PipeTransport::new(endpoint))
    }

    /// The same client with a token, which the first line of each connection has. Hosts that are started with `--require-token` want it.
    pub fn with_token(mut self, token: &str) -> PipeBackend {
        self.transport.set_token(token);
        self
    }

    /// Where the host listens.
    pub fn endpoint(&self) -> &PipeEndpoint {
        self.transport.endpoint()
    }
}
