//! Calls over a Unix socket.

use std::sync::Arc;

use super::connection::PipeConnection;
use super::destination::PipeDestination;
use super::endpoint::PipeEndpoint;
use super::line;
use super::subscribe::subscribe;
use crate::call::{Call, Reply};
use crate::connections::Connections;
use crate::error::Error;
use crate::event::EventStream;
use crate::transport::Transport;

/// The way to a host over a Unix socket. Clones share its connections; each call has one for itself.
#[derive(Clone, Debug)]
pub struct PipeTransport {
    connections: Arc<Connections<PipeConnection>>,
}

impl PipeTransport {
    pub(super) fn new(endpoint: PipeEndpoint) -> PipeTransport {
        PipeTransport { connections: Arc::new(Connections::new(PipeDestination { endpoint, token: None })) }
    }

    pub(crate) fn set_token(&mut self, token: &str) {
        let endpoint = self.endpoint().clone();
        let destination = PipeDestination { endpoint, token: Some(Arc::from(token.trim())) };
        self.connections = Arc::new(Connections::new(destination));
    }

    /// Where the host listens.
    pub fn endpoint(&self) -> &PipeEndpoint {
        &self.connections.endpoint().endpoint
    }
}

impl Transport for PipeTransport {
    async fn call(&self, call: Call) -> Result<Reply, Error> {
        let request = line::request(&call)?;
        line::read(self.connections.exchange(request).await?)
    }

    async fn subscribe(&self, call: Call) -> Result<EventStream, Error> {
        subscribe(self.connections.endpoint(), &line::write_with_events(&call)).await
    }
}
