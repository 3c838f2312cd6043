//! Calls over a pipe.

use std::sync::Arc;

use super::PipeEndpoint;
use super::connection::PipeConnection;
use super::line;
use super::subscribe::subscribe;
use crate::call::{Call, Reply};
use crate::connections::Connections;
use crate::{Context, Error, EventStream, PythonHostBackend};

/// A host that is reached over a Unix socket. Clones share its connections, of which each call has one for itself.
#[derive(Clone, Debug)]
pub struct PipeBackend {
    context: Context,
    connections: Arc<Connections<PipeConnection>>,
}

impl PipeBackend {
    /// A backend at an endpoint such as `pipe:my-pipe` or `unix:/path/of/the.sock`. Connections are made when they are
    /// needed; [`initialize`](PythonHostBackend::initialize) finds out whether it is there.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when the text is no endpoint.
    pub fn connect(endpoint: &str) -> Result<PipeBackend, Error> {
        endpoint.parse().map(PipeBackend::new)
    }

    /// A backend at an endpoint.
    pub fn new(endpoint: PipeEndpoint) -> PipeBackend {
        PipeBackend { context: Context::default(), connections: Arc::new(Connections::new(endpoint)) }
    }

    /// Where it is.
    pub fn endpoint(&self) -> &PipeEndpoint {
        self.connections.endpoint()
    }
}

impl PythonHostBackend for PipeBackend {
    fn context(&self) -> &Context {
        &self.context
    }

    fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    async fn perform(&self, call: Call) -> Result<Reply, Error> {
        line::read(&self.connections.exchange(line::write(&call)).await?)
    }

    async fn follow(&self, call: Call) -> Result<EventStream, Error> {
        subscribe(self.endpoint(), &line::write_followed(&call)).await
    }
}
