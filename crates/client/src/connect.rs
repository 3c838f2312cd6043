//! A backend by the scheme of its endpoint.

#[cfg(feature = "local")]
use crate::LocalBackend;
#[cfg(feature = "rpc")]
use crate::RpcBackend;
use crate::call::{Call, Reply};
use crate::{Context, Error, EventStream, HttpBackend, PipeBackend, PythonHostBackend};

/// Any of the backends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AnyBackend {
    /// Over HTTP.
    Http(HttpBackend),
    /// Over a Unix socket.
    Pipe(PipeBackend),
    /// Over gRPC.
    #[cfg(feature = "rpc")]
    Rpc(RpcBackend),
    /// In this process.
    #[cfg(feature = "local")]
    Local(LocalBackend),
}

/// The backend at an endpoint: `http://127.0.0.1:5678`, `grpc://127.0.0.1:50051`, `pipe:NAME`,
/// `unix:/path/of/the.sock`, or `local:ENVIRONMENT`. Without a scheme it is HTTP. Connections are made when they are
/// needed; [`initialize`](PythonHostBackend::initialize) finds out whether it is there.
///
/// | scheme | backend | feature |
/// |---|---|---|
/// | `http:`, or none | [`HttpBackend`] | |
/// | `unix:`, `pipe:` | [`PipeBackend`] | |
/// | `grpc:` | `RpcBackend` | `rpc`, which is on by default |
/// | `local:` | `LocalBackend`, in the environment of that name or path | `local` |
///
/// # Errors
/// [`Error::Endpoint`] when the text is no endpoint, or of a backend that this program was built without.
pub fn connect(endpoint: &str) -> Result<AnyBackend, Error> {
    match endpoint.trim().split_once(':') {
        Some(("unix" | "pipe", _)) => PipeBackend::connect(endpoint).map(AnyBackend::Pipe),
        #[cfg(feature = "rpc")]
        Some(("grpc", _)) => RpcBackend::connect(endpoint).map(AnyBackend::Rpc),
        #[cfg(feature = "local")]
        Some(("local", _)) => LocalBackend::connect(endpoint).map(AnyBackend::Local),
        #[cfg(not(feature = "rpc"))]
        Some(("grpc", _)) => Err(without("rpc", endpoint)),
        #[cfg(not(feature = "local"))]
        Some(("local", _)) => Err(without("local", endpoint)),
        _ => HttpBackend::connect(endpoint).map(AnyBackend::Http),
    }
}

#[cfg(not(all(feature = "rpc", feature = "local")))]
fn without(feature: &str, endpoint: &str) -> Error {
    let reason = format!("this program was built without the feature `{feature}` of beep-python-client");
    Error::Endpoint { endpoint: endpoint.to_owned(), reason }
}

impl AnyBackend {
    /// The same backend with a token, where its transport can carry one: a pipe serves its own user only, as a
    /// host in this process does, and neither needs one.
    ///
    /// # Errors
    /// As [`HttpBackend::with_token`].
    pub fn with_token(self, token: &str) -> Result<AnyBackend, Error> {
        match self {
            AnyBackend::Http(backend) => backend.with_token(token).map(AnyBackend::Http),
            AnyBackend::Pipe(backend) => Ok(AnyBackend::Pipe(backend)),
            #[cfg(feature = "rpc")]
            AnyBackend::Rpc(backend) => backend.with_token(token).map(AnyBackend::Rpc),
            #[cfg(feature = "local")]
            AnyBackend::Local(backend) => Ok(AnyBackend::Local(backend)),
        }
    }
}

impl PythonHostBackend for AnyBackend {
    async fn perform(&self, call: Call) -> Result<Reply, Error> {
        match self {
            AnyBackend::Http(backend) => backend.perform(call).await,
            AnyBackend::Pipe(backend) => backend.perform(call).await,
            #[cfg(feature = "rpc")]
            AnyBackend::Rpc(backend) => backend.perform(call).await,
            #[cfg(feature = "local")]
            AnyBackend::Local(backend) => backend.perform(call).await,
        }
    }

    async fn follow(&self, call: Call) -> Result<EventStream, Error> {
        match self {
            AnyBackend::Http(backend) => backend.follow(call).await,
            AnyBackend::Pipe(backend) => backend.follow(call).await,
            #[cfg(feature = "rpc")]
            AnyBackend::Rpc(backend) => backend.follow(call).await,
            #[cfg(feature = "local")]
            AnyBackend::Local(backend) => backend.follow(call).await,
        }
    }

    fn context(&self) -> &Context {
        match self {
            AnyBackend::Http(backend) => backend.context(),
            AnyBackend::Pipe(backend) => backend.context(),
            #[cfg(feature = "rpc")]
            AnyBackend::Rpc(backend) => backend.context(),
            #[cfg(feature = "local")]
            AnyBackend::Local(backend) => backend.context(),
        }
    }

    fn context_mut(&mut self) -> &mut Context {
        match self {
            AnyBackend::Http(backend) => backend.context_mut(),
            AnyBackend::Pipe(backend) => backend.context_mut(),
            #[cfg(feature = "rpc")]
            AnyBackend::Rpc(backend) => backend.context_mut(),
            #[cfg(feature = "local")]
            AnyBackend::Local(backend) => backend.context_mut(),
        }
    }
}
