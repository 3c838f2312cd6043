//! The client over HTTP.

use super::endpoint::Endpoint;
use super::login::BrowserLogin;
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

    /// The same client with a token, which is sent with every request: to a server of this process's user or of root, as far as
    /// the system tells. To others, calls fail with [`Error::UntrustedServer`]; see
    /// [`allow_insecure_token`](HttpBackend::allow_insecure_token).
    ///
    /// # Errors
    /// [`Error::Endpoint`] when a header cannot carry the token.
    pub fn with_token(mut self, token: &str) -> Result<HttpBackend, Error> {
        self.transport.set_token(token)?;
        Ok(self)
    }

    /// The same client, which sends its token to any server: over an unencrypted network, or to a port of this machine that another user
    /// may hold. All who see the token can run code on its server.
    pub fn allow_insecure_token(mut self) -> HttpBackend {
        self.transport.allow_insecure_token();
        self
    }

    /// Makes an address for a browser: the one that opens it first, within a minute, stands for this client from then on, until the
    /// server ends or this client's token is revoked.
    ///
    /// # Errors
    /// The failure to reach the host, or its refusal.
    pub async fn create_login(&self) -> Result<BrowserLogin, Error> {
        self.transport.create_login().await
    }

    /// Where the host listens.
    pub fn endpoint(&self) -> &Endpoint {
        self.transport.endpoint()
    }
}
