//! A session that is closed again unless its maker takes it.

use tokio::runtime::Handle;

use crate::session::session::Session;

/// Closes a new session when the request for it fails, or its client goes away.
pub(crate) struct CloseOnDrop {
    session: Option<Session>,
}

impl CloseOnDrop {
    pub(crate) fn new(session: Session) -> CloseOnDrop {
        CloseOnDrop { session: Some(session) }
    }

    /// The session is taken, and stays.
    pub(crate) fn disarm(mut self) {
        self.session = None;
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let (Some(session), Ok(runtime)) = (self.session.take(), Handle::try_current()) {
            runtime.spawn(async move { session.end().await });
        }
    }
}
