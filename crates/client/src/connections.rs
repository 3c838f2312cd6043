//! Connections of which each call has one for itself: kept for the next call, replaced where the host has closed them,
//! and never trusted with a call twice.

use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use crate::error::Error;

/// More than this many idle connections are closed.
const MAX_IDLE: usize = 32;

/// A connection on which one exchange at a time is made, driven by whoever waits for its answer: no task of its own, no
/// hop between threads.
pub(crate) trait Connection: Sized + Send {
    type Endpoint: fmt::Display + Send + Sync;
    type Request: Send;
    type Response: Send;

    fn open(endpoint: &Self::Endpoint) -> impl Future<Output = Result<Self, Error>> + Send;

    /// Sends a request and waits for the whole answer.
    fn exchange(
        &mut self,
        request: Self::Request,
    ) -> impl Future<Output = Result<Self::Response, ExchangeError<Self::Request>>> + Send;

    /// Whether the exchange left it in a state in which another one can follow.
    fn is_idle(&self) -> bool;

    /// Whether the host has left it open and said nothing unasked since.
    fn is_usable(&self) -> bool;
}

/// Why there is no answer.
pub(crate) struct ExchangeError<R> {
    /// The request, when nothing of it was sent.
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
    /// The last used on top, since it is the warmest.
    idle: Mutex<Vec<C>>,
}

impl<C: Connection> Connections<C> {
    pub(crate) fn new(endpoint: C::Endpoint) -> Connections<C> {
        Connections { endpoint, idle: Mutex::default() }
    }

    pub(crate) fn endpoint(&self) -> &C::Endpoint {
        &self.endpoint
    }

    /// Makes an exchange on a kept connection, or on a new one. A request of which nothing was sent, because the host had
    /// closed the kept connection, is sent on another one; any other never, for it may have run.
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
