//! The client over HTTP.

use super::endpoint::Endpoint;
use super::transport::HttpTransport;
use crate::client::Client;
use crate::error::Error;

/// A client of a host over HTTP.
pub type HttpBackend = Client<HttpTransport>;

impl HttpBackend {
    /// A client of the host at an endpoint such as `http://127.0.0.1:5678`. Connections are made when they are needed;
    /// [`health`](Client::health) finds out whether the host is there.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when the text is not an endpoint.
    pub fn connect(endpoint: &str) -> Result<HttpBackend, Error> {
        endpoint.parse().map(HttpBackend::new)
    }

    /// A client of the host at an endpoint.
    pub fn new(endpoint: Endpoint) -> HttpBackend {
        Client::from_transport(HttpTransport::new(endpoint))
    }

    /// The same client with a token, which is sent with every request.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when a header cannot carry the token.
    pub fn with_token(mut self, token: &str) -> Result<HttpBackend, Error> {
        self.transport.set_token(token)?;
        Ok(self)
    }

    /// Where the host listens.
    pub fn endpoint(&self) -> &Endpoint {
        self.transport.endpoint()
    }
}
