//! Connections that wait for their next call.

use std::sync::{Mutex, PoisonError};

use super::connection::Connection;

/// More than this many idle connections are closed.
const MAX_IDLE: usize = 32;

/// The idle connections of one endpoint, the last used on top, since it is the warmest.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Connection>>);

impl Pool {
    /// A connection that the server has not closed, if there is one.
    pub(super) fn take(&self) -> Option<Connection> {
        loop {
            let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if connection.is_usable() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next call, if it can take one.
    pub(super) fn put_back(&self, connection: Connection) {
        if !connection.is_idle() {
            return;
        }
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}
