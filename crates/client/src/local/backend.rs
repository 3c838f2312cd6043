//! The client of a host in this process.

use std::sync::Arc;
use std::time::Duration;

use super::embedded_host::{EmbeddedHost, StopOnDrop};
use super::options::LocalOptions;
use super::transport::LocalTransport;
use crate::client::Client;
use crate::error::Error;

/// A client of a host in this process: the same sessions as behind a server, each in a worker process of its own, and no
/// socket.
///
/// The host starts with the first call. Clones share it. When the last client is dropped, the host ends with its
/// sessions, their objects and their processes; that `drop` waits for them (milliseconds). Handles do not keep the host
/// alive. [`shut_down`](LocalBackend::shut_down) lets calls in progress finish first.
///
/// ```no_run
/// # use beep_python_client::{Error, LocalBackend, LocalOptions};
/// # async fn example() -> Result<(), Error> {
/// let python = LocalBackend::new(LocalOptions::from("my-environment"));
/// assert_eq!(python.evaluate::<i64>("1 + 1").await?, 2);
/// # Ok(())
/// # }
/// ```
pub type LocalBackend = Client<LocalTransport>;

impl LocalBackend {
    /// A client in an environment: `local:NAME`, `local:/path/of/the/environment`, or `local:` for the environment
    /// `runtime-host`. The first call starts Python; [`health`](Client::health) finds out whether that succeeds.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when the text does not begin with `local:`.
    pub fn connect(endpoint: &str) -> Result<LocalBackend, Error> {
        let environment = endpoint.trim().strip_prefix("local:").ok_or_else(|| Error::Endpoint {
            endpoint: endpoint.to_owned(),
            reason: "it must begin with local:".to_owned(),
        })?;
        Ok(LocalBackend::new(LocalOptions::from(environment)))
    }

    /// A client with these options.
    pub fn new(options: LocalOptions) -> LocalBackend {
        let host = Arc::new(EmbeddedHost::new(options));
        let mut client = Client::from_transport(LocalTransport { host: host.clone() });
        client.state.host_guard = Some(Arc::new(StopOnDrop(host)));
        client
    }

    /// The options that it was made with.
    pub fn options(&self) -> &LocalOptions {
        &self.transport.host.options
    }

    /// Refuses new calls, from clones too, and gives those in progress `grace` to finish; then ends all sessions and
    /// their processes.
    pub async fn shut_down(self, grace: Duration) {
        if let Some(running) = self.transport.host.started() {
            let sessions = running.sessions.clone();
            let _ = running.runtime.spawn(async move { sessions.shut_down(grace).await }).await;
        }
    }
}
