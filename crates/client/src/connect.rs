//! A backend by the scheme of its endpoint.

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
}

/// The backend at an endpoint: `http://127.0.0.1:5678`, `pipe:NAME`, `unix:/path/of/the.sock`. Without a scheme it is
/// HTTP. Connections are made when they are needed; [`initialize`](PythonHostBackend::initialize) finds out whether it is
/// there.
///
/// # Errors
/// [`Error::Endpoint`] when the text is no endpoint.
pub fn connect(endpoint: &str) -> Result<AnyBackend, Error> {
    match endpoint.trim().split_once(':') {
        Some(("unix" | "pipe", _)) => PipeBackend::connect(endpoint).map(AnyBackend::Pipe),
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
        }
    }
}

impl PythonHostBackend for AnyBackend {
    async fn perform(&self, call: Call) -> Result<Reply, Error> {
        match self {
            AnyBackend::Http(backend) => backend.perform(call).await,
            AnyBackend::Pipe(backend) => backend.perform(call).await,
        }
    }

    fn context(&self) -> &Context {
        match self {
            AnyBackend::Http(backend) => backend.context(),
            AnyBackend::Pipe(backend) => backend.context(),
        }
    }

    fn context_mut(&mut self) -> &mut Context {
        match self {
            AnyBackend::Http(backend) => backend.context_mut(),
            AnyBackend::Pipe(backend) => backend.context_mut(),
        }
    }
}
