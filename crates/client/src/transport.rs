//! How calls reach a host.

use std::future::Future;

use crate::call::{Call, Reply};
use crate::error::Error;
use crate::event::EventStream;

/// A way to a host, and all that [`Client`](crate::Client) needs of one. Clones share their connections.
///
/// Implement it to reach a host in another way, or to observe the calls of another transport.
pub trait Transport: Clone + Send + Sync + 'static {
    /// Performs a call and returns its whole reply.
    ///
    /// # Errors
    /// [`Error::from_body`] or [`Error::from_problem`] of what the host replied, or the failure to reach the host.
    fn call(&self, call: Call) -> impl Future<Output = Result<Reply, Error>> + Send;

    /// Performs a call of a session and returns its events, the last of which is the result.
    ///
    /// # Errors
    /// The failure to reach the host, or what the host replied before the first event; later errors end the stream.
    /// [`Error::Unsupported`] when the transport has no events.
    fn subscribe(&self, call: Call) -> impl Future<Output = Result<EventStream, Error>> + Send;
}
