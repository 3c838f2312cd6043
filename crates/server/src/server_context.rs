//! What all backends of a server share.

use std::sync::Arc;

use beep_python_runtime::session::SessionManager;

use crate::auth::AccessPolicy;
use crate::body_budget::BodyBudget;
use crate::bounds::Bounds;
use crate::tls::Tls;
use crate::web::kept_events::KeptEvents;

/// The context in which each backend of a server handles requests.
#[derive(Debug)]
pub struct ServerContext {
    /// The sessions.
    pub sessions: Arc<SessionManager>,
    /// Who may send requests.
    pub access: AccessPolicy,
    /// TLS, if that is what HTTP and RPC speak.
    pub tls: Option<Tls>,
    /// The memory that the bodies of requests may take.
    pub bodies: Arc<BodyBudget>,
    /// How many connections and requests it serves at once.
    pub bounds: Arc<Bounds>,
    /// The events that clients can ask for again.
    pub kept_events: Arc<KeptEvents>,
}
