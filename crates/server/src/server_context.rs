//! What all backends of a server share.

use std::sync::Arc;

use beep_python_runtime::session::SessionManager;

use crate::auth::AccessPolicy;

/// What the backends of one server lead to.
#[derive(Debug)]
pub struct ServerContext {
    /// The sessions.
    pub sessions: Arc<SessionManager>,
    /// Who may come in.
    pub access: AccessPolicy,
}
