//! A backend by the scheme of its endpoint.

#[cfg(feature = "rpc")]
use crate::RpcBackend;
use crate::call::{Call, Reply};
use crate::{Context, Error, HttpBackend, PipeBackend, PythonHostBackend};

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
}

/// The backend at an endpoint: `http://127.0.0.1:5678`, `grpc://127.0.0.1:50051`, `pipe:NAME`, `unix:/path/of/the.sock`. Without a scheme it is
/// HTTP. Connections are made when they are needed; [`initialize`](PythonHostBackend::initialize) finds out whether it is
/// there.
///
/// # Errors
/// [`Error::Endpoint`] when the text is no endpoint.
pub fn connect(endpoint: &str) -> Result<AnyBackend, Error> {
    match endpoint.trim().split_once(':') {
        Some(("unix" | "pipe", _)) => PipeBackend::connect(endpoint).map(AnyBackend::Pipe),
        #[cfg(feature = "rpc")]
        Some(("grpc", _)) => RpcBackend::connect(endpoint).map(AnyBackend::Rpc),
        _ => HttpBackend::connect(endpoint).map(AnyBackend::Http),
    }
}

impl AnyBackend {
    /// The same backend with a token, where its transport can carry one: a pipe serves its own user only, and needs none.
    ///
    /// # Errors
    /// As [`HttpBackend::with_token`].
    pub fn with_token(self, token: &str) -> Result<AnyBackend, Error> {
        match self {
            AnyBackend::Http(backend) => backend.with_token(token).map(AnyBackend::Http),
            AnyBackend::Pipe(backend) => Ok(AnyBackend::Pipe(backend)),
            #[cfg(feature = "rpc")]
            AnyBackend::Rpc(backend) => backend.with_token(token).map(AnyBackend::Rpc),
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
        }
    }

    fn context(&self) -> &Context {
        match self {
            AnyBackend::Http(backend) => backend.context(),
            AnyBackend::Pipe(backend) => backend.context(),
            #[cfg(feature = "rpc")]
            AnyBackend::Rpc(backend) => backend.context(),
        }
    }

    fn context_mut(&mut self) -> &mut Context {
        match self {
            AnyBackend::Http(backend) => backend.context_mut(),
            AnyBackend::Pipe(backend) => backend.context_mut(),
            #[cfg(feature = "rpc")]
            AnyBackend::Rpc(backend) => backend.context_mut(),
        }
    }
}
