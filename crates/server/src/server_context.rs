//! What all backends of a server share.

use std::sync::Arc;

use beep_python_runtime::session::SessionManager;

use crate::auth::AccessPolicy;
use crate::body_budget::BodyBudget;

/// The context in which each backend of a server handles requests.
#[derive(Debug)]
pub struct ServerContext {
    /// The sessions.
    pub sessions: Arc<SessionManager>,
    /// Who may send requests.
    pub access: AccessPolicy,
    /// The memory that the bodies of requests may take.
    pub bodies: Arc<BodyBudget>,
}
