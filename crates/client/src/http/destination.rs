//! A host, and whether what goes there is for this process's user alone.

use std::fmt;
#[cfg(feature = "tls")]
use std::io;
#[cfg(feature = "tls")]
use std::sync::Arc;
#[cfg(feature = "tls")]
use std::time::Duration;

use beep_python_peer::Peer;

use super::endpoint::Endpoint;
use super::stream::ClientStream;
use crate::error::Error;
#[cfg(feature = "tls")]
use crate::tls::TlsClient;
use crate::trust::check;

#[cfg(feature = "tls")]
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A host over TCP. A token goes to servers of this process's own user and of root: a stranger who listens at the port of a server that
/// has died would take it, and run code with it. Over TLS it goes to the host whose certificate that is.
#[derive(Clone)]
pub(crate) struct Destination {
    pub(crate) endpoint: Endpoint,
    /// Whether connections carry a token.
    has_token: bool,
    /// Whether a token may go to any server.
    allows_any: bool,
    #[cfg(feature = "tls")]
    tls: Option<Arc<TlsClient>>,
}

/// What is spoken on a connection.
#[derive(Clone, Copy)]
pub(crate) enum Protocol {
    Http1,
    #[cfg(feature = "rpc")]
    Http2,
}

impl Protocol {
    #[cfg(feature = "tls")]
    fn name(self) -> &'static str {
        match self {
            Protocol::Http1 => "http/1.1",
            #[cfg(feature = "rpc")]
            Protocol::Http2 => "h2",
        }
    }
}

impl Destination {
    #[cfg_attr(not(feature = "tls"), expect(unused_variables, reason = "TLS alone agrees on it"))]
    pub(crate) fn new(endpoint: Endpoint, protocol: Protocol) -> Destination {
        Destination {
            has_token: false,
            allows_any: false,
            #[cfg(feature = "tls")]
            tls: endpoint.is_tls().then(|| Arc::new(TlsClient::new(endpoint.fingerprint(), protocol.name()))),
            endpoint,
        }
    }

    pub(crate) fn with_token(&self) -> Destination {
        Destination { has_token: true, ..self.clone() }
    }

    pub(crate) fn allowing_any(&self) -> Destination {
        Destination { allows_any: true, ..self.clone() }
    }

    /// A connection to which everything may be sent.
    pub(crate) async fn connect(&self) -> Result<ClientStream, Error> {
        let stream = self.endpoint.connect().await?;
        let failed = |source| Error::Connect { endpoint: self.to_string(), source };
        stream.set_nodelay(true).map_err(failed)?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            // Its certificate says who it is.
            let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.connect(self.endpoint.host(), stream)).await;
            let late = || Err(io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake within 10 seconds"));
            let stream = handshake.unwrap_or_else(|_| late()).map_err(failed)?;
            return Ok(ClientStream::Tls(Box::new(stream)));
        }
        if self.has_token && !self.allows_any {
            let (local, remote) = (stream.local_addr().map_err(failed)?, stream.peer_addr().map_err(failed)?);
            check(Peer::of_server(local, remote))
                .map_err(|reason| Error::UntrustedServer { endpoint: self.to_string(), reason })?;
        }
        Ok(ClientStream::Plain(stream))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}
