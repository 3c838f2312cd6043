//! A transport of any kind.

use crate::call::{Call, Reply};
use crate::client::Client;
use crate::error::Error;
use crate::event::EventStream;
use crate::http::login::BrowserLogin;
use crate::http::transport::HttpTransport;
#[cfg(feature = "local")]
use crate::local::transport::LocalTransport;
use crate::pipe::transport::PipeTransport;
#[cfg(feature = "rpc")]
use crate::rpc::transport::RpcTransport;
use crate::transport::Transport;

/// A client of any host, as [`connect`](crate::connect) returns it. The other backends convert into it.
pub type AnyBackend = Client<AnyTransport>;

/// Any of the transports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AnyTransport {
    /// HTTP.
    Http(HttpTransport),
    /// A Unix socket.
    Pipe(PipeTransport),
    /// gRPC.
    #[cfg(feature = "rpc")]
    Rpc(RpcTransport),
    /// A host in this process.
    #[cfg(feature = "local")]
    Local(LocalTransport),
}

/// Evaluates an expression with the transport that there is.
macro_rules! each {
    ($any:expr, $transport:ident => $run:expr) => {
        match $any {
            AnyTransport::Http($transport) => $run,
            AnyTransport::Pipe($transport) => $run,
            #[cfg(feature = "rpc")]
            AnyTransport::Rpc($transport) => $run,
            #[cfg(feature = "local")]
            AnyTransport::Local($transport) => $run,
        }
    };
}

impl Transport for AnyTransport {
    async fn call(&self, call: Call) -> Result<Reply, Error> {
        each!(self, transport => transport.call(call).await)
    }

    async fn subscribe(&self, call: Call) -> Result<EventStream, Error> {
        each!(self, transport => transport.subscribe(call).await)
    }
}

impl AnyBackend {
    /// The same client with a token, where its transport can carry one: a host in this process needs none.
    ///
    /// # Errors
    /// Those of [`HttpBackend::with_token`](crate::HttpBackend::with_token).
    pub fn with_token(mut self, token: &str) -> Result<AnyBackend, Error> {
        match &mut self.transport {
            AnyTransport::Http(transport) => transport.set_token(token)?,
            #[cfg(feature = "rpc")]
            AnyTransport::Rpc(transport) => transport.set_token(token)?,
            AnyTransport::Pipe(transport) => transport.set_token(token),
            #[cfg(feature = "local")]
            AnyTransport::Local(_) => {}
        }
        Ok(self)
    }

    /// The same client, which sends its token to any server: see
    /// [`HttpBackend::allow_insecure_token`](crate::HttpBackend::allow_insecure_token).
    pub fn allow_insecure_token(mut self) -> AnyBackend {
        match &mut self.transport {
            AnyTransport::Http(transport) => transport.allow_insecure_token(),
            #[cfg(feature = "rpc")]
            AnyTransport::Rpc(transport) => transport.allow_insecure_token(),
            AnyTransport::Pipe(_) => {}
            #[cfg(feature = "local")]
            AnyTransport::Local(_) => {}
        }
        self
    }
}

impl AnyBackend {
    /// Makes an address for a browser, over HTTP: see [`HttpBackend::create_login`](crate::HttpBackend::create_login).
    ///
    /// # Errors
    /// [`Error::Unsupported`] for other backends than HTTP.
    pub async fn create_login(&self) -> Result<BrowserLogin, Error> {
        match &self.transport {
            AnyTransport::Http(transport) => transport.create_login().await,
            _ => Err(Error::Unsupported { what: "browsers" }),
        }
    }
}

impl From<Client<HttpTransport>> for AnyBackend {
    fn from(client: Client<HttpTransport>) -> AnyBackend {
        client.map_transport(AnyTransport::Http)
    }
}

impl From<Client<PipeTransport>> for AnyBackend {
    fn from(client: Client<PipeTransport>) -> AnyBackend {
        client.map_transport(AnyTransport::Pipe)
    }
}

#[cfg(feature = "rpc")]
impl From<Client<RpcTransport>> for AnyBackend {
    fn from(client: Client<RpcTransport>) -> AnyBackend {
        client.map_transport(AnyTransport::Rpc)
    }
}

#[cfg(feature = "local")]
impl From<Client<LocalTransport>> for AnyBackend {
    fn from(client: Client<LocalTransport>) -> AnyBackend {
        client.map_transport(AnyTransport::Local)
    }
}
