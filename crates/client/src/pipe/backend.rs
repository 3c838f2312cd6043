//! Calls over a pipe.

use std::fmt;
use std::sync::Arc;

use super::PipeEndpoint;
use super::connection::{Connection, Lost, Pool};
use super::line;
use crate::call::{Call, Reply};
use crate::{Context, Error, PythonHostBackend};

/// A host that is reached over a Unix socket. Clones share its connections, of which each call has one for itself.
#[derive(Clone)]
pub struct PipeBackend {
    context: Context,
    server: Arc<Server>,
}

struct Server {
    endpoint: PipeEndpoint,
    idle: Pool,
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
        PipeBackend { context: Context::default(), server: Arc::new(Server { endpoint, idle: Pool::default() }) }
    }

    /// Where it is.
    pub fn endpoint(&self) -> &PipeEndpoint {
        &self.server.endpoint
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
        let request = line::write(&call);
        loop {
            let pooled = self.server.idle.take();
            let fresh = pooled.is_none();
            let mut connection = match pooled {
                Some(connection) => connection,
                None => Connection::open(&self.server.endpoint).await?,
            };
            match connection.exchange(&request).await {
                Ok(answer) => {
                    self.server.idle.put_back(connection);
                    return line::read(&answer);
                }
                // The host closed the connection while it was idle. Nothing was sent: another one may be tried.
                Err(Lost { sent: false, .. }) if !fresh => {}
                Err(Lost { sent, source }) => {
                    let endpoint = self.server.endpoint.to_string();
                    return Err(Error::ConnectionLost { endpoint, may_have_run: sent, source: source.into() });
                }
            }
        }
    }
}

impl fmt::Debug for PipeBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeBackend")
            .field("endpoint", &self.server.endpoint)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
