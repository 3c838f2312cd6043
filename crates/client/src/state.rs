//! What a client keeps beside its transport.

#[cfg(feature = "local")]
use std::any::Any;
use std::sync::Arc;

use crate::callback::Callbacks;
use crate::handle_reaper::HandleReaper;
use beep_python_protocol::CallOptions;

/// Clones of a client share the reaper; options and callbacks are each clone's own.
#[derive(Clone, Default)]
pub(crate) struct ClientState {
    /// The options of every call.
    pub(crate) options: CallOptions,
    pub(crate) reaper: Arc<HandleReaper>,
    pub(crate) callbacks: Callbacks,
    /// Whether handles come with the `repr` of their object.
    pub(crate) reprs: bool,
    /// Whether what is followed tells of log records.
    pub(crate) log_records: bool,
    /// Whether what is followed tells how far it is.
    pub(crate) progress: bool,
    /// Whether output that is no UTF-8 comes as bytes in what is followed.
    pub(crate) raw_output: bool,
    /// Lives as long as the caller's clients. The reaper's task, which outlives them, does not have it.
    #[cfg(feature = "local")]
    #[allow(dead_code, reason = "it is kept, not read")]
    pub(crate) host_guard: Option<Arc<dyn Any + Send + Sync>>,
}
