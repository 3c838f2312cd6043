//! The client over gRPC.

use super::transport::RpcTransport;
use crate::client::Client;
use crate::error::Error;
use crate::http::endpoint::Endpoint;

/// A client of a host over gRPC.
pub type RpcBackend = Client<RpcTransport>;

impl RpcBackend {
    /// A client of the host at an endpoint such as `grpc://127.0.0.1:50051`; `http://` means the same, and the default
    /// port is 50051. The connection is made when it is needed; [`health`](Client::health) finds out whether the host is
    /// there.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when the text is not an endpoint.
    pub fn connect(endpoint: &str) -> Result<RpcBackend, Error> {
        Ok(Client::from_transport(RpcTransport::new(Endpoint::grpc(endpoint)?)))
    }

    /// The same client with a token, which is sent with every request: to a server of this process's user or of root, as far as
    /// the system tells. To others, calls fail with [`Error::UntrustedServer`]; see
    /// [`allow_insecure_token`](RpcBackend::allow_insecure_token).
    ///
    /// # Errors
    /// [`Error::Endpoint`] when a header cannot carry the token.
    pub fn with_token(mut self, token: &str) -> Result<RpcBackend, Error> {
        self.transport.set_token(token)?;
        Ok(self)
    }

    /// As [`HttpBackend::allow_insecure_token`](crate::HttpBackend::allow_insecure_token).
    pub fn allow_insecure_token(mut self) -> RpcBackend {
        self.transport.allow_insecure_token();
        self
    }

    /// Where the host listens.
    pub fn endpoint(&self) -> &Endpoint {
        self.transport.endpoint()
    }
}
