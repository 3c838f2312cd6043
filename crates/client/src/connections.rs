//! A pool of connections, of which each call has one for itself. A connection that the host closed while it was idle is
//! replaced; a call that may have run is never sent again.

use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use crate::error::Error;

/// The most idle connections that are kept.
const MAX_IDLE: usize = 32;

/// A connection that carries one exchange at a time. The caller's task drives it: it has no task of its own, and so no hop
/// between threads.
pub(crate) trait Connection: Sized + Send {
    type Endpoint: fmt::Display + Send + Sync;
    type Request: Send;
    type Response: Send;

    fn open(endpoint: &Self::Endpoint) -> impl Future<Output = Result<Self, Error>> + Send;

    /// Sends a request and waits for the whole response.
    fn exchange(
        &mut self,
        request: Self::Request,
    ) -> impl Future<Output = Result<Self::Response, ExchangeError<Self::Request>>> + Send;

    /// Whether the last exchange is complete, so that another one can follow.
    fn is_idle(&self) -> bool;

    /// Whether the host has neither closed it nor sent anything unrequested.
    fn is_usable(&self) -> bool;
}

/// The failure of an exchange.
pub(crate) struct ExchangeError<R> {
    /// The request, if nothing of it was sent.
    pub(crate) unsent: Option<R>,
    pub(crate) source: Box<dyn std::error::Error + Send + Sync>,
}

impl<R> ExchangeError<R> {
    pub(crate) fn into_error(self, endpoint: &impl fmt::Display) -> Error {
        let ExchangeError { unsent, source } = self;
        Error::ConnectionLost { endpoint: endpoint.to_string(), may_have_run: unsent.is_none(), source }
    }
}

/// The connections to one endpoint.
pub(crate) struct Connections<C: Connection> {
    endpoint: C::Endpoint,
    /// The last used is on top: it is the warmest.
    idle: Mutex<Vec<C>>,
}

impl<C: Connection> Connections<C> {
    pub(crate) fn new(endpoint: C::Endpoint) -> Connections<C> {
        Connections { endpoint, idle: Mutex::default() }
    }

    pub(crate) fn endpoint(&self) -> &C::Endpoint {
        &self.endpoint
    }

    /// Performs an exchange on a kept connection, or on a new one. If a kept connection fails before anything was sent, the
    /// request goes out on another one. A request that may have run is never sent again.
    pub(crate) async fn exchange(&self, mut request: C::Request) -> Result<C::Response, Error> {
        loop {
            let kept = self.take();
            let fresh = kept.is_none();
            let mut connection = match kept {
                Some(connection) => connection,
                None => C::open(&self.endpoint).await?,
            };
            match connection.exchange(request).await {
                Ok(answer) => {
                    self.keep(connection);
                    return Ok(answer);
                }
                Err(ExchangeError { unsent: Some(again), .. }) if !fresh => request = again,
                Err(lost) => return Err(lost.into_error(&self.endpoint)),
            }
        }
    }

    fn take(&self) -> Option<C> {
        loop {
            let connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if connection.is_usable() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: C) {
        if !connection.is_idle() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}

impl<C: Connection> fmt::Debug for Connections<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.endpoint)
    }
}
