//! What every backend keeps beside its connection.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::call::CallOptions;
use crate::callback::Callbacks;
use crate::handle_reaper::HandleReaper;

/// The options of the calls made through a backend, and the way on which dropped handles are released. A backend holds
/// one, made by `Context::default()`; its clones share the release of handles, each with options of its own.
#[derive(Clone, Default)]
pub struct Context {
    /// The options of every call.
    pub options: CallOptions,
    pub(crate) reaper: Arc<HandleReaper>,
    pub(crate) callbacks: Callbacks,
    /// What is to live as long as the backends that callers have.
    pub(crate) _keeper: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("options", &self.options).finish_non_exhaustive()
    }
}
