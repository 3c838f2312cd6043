//! Objects that stay in their session.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use beep_python_protocol::message::CallResponse;
use beep_python_protocol::{HandleRef, Value};
use serde::{Serialize, Serializer};

use crate::handle_reaper::{ReaperSender, Release};

/// An object that a session keeps for this client.
///
/// As an argument, or inside one, it stands for that object. Dropping the last clone releases the object in the
/// background, together with others; dropping never waits. [`dispose_handle`] releases it now and reports errors. The
/// handles that [`import_module`] returns are not released: all clients of a session share one handle for each module.
///
/// [`dispose_handle`]: crate::Client::dispose_handle
/// [`import_module`]: crate::Client::import_module
#[derive(Clone)]
pub struct Handle(Arc<Held>);

struct Held {
    id: String,
    type_name: String,
    type_module: Option<String>,
    repr: Option<String>,
    shape: Option<Vec<u64>>,
    dtype: Option<String>,
    session: Option<Arc<str>>,
    reaper: Option<ReaperSender>,
    disposed: AtomicBool,
}

impl Handle {
    pub(crate) fn new(
        id: String,
        answer: CallResponse,
        session: Option<Arc<str>>,
        reaper: Option<ReaperSender>,
    ) -> Handle {
        let CallResponse { type_name, type_module, repr, shape, dtype, .. } = answer;
        let (type_name, disposed) = (type_name.unwrap_or_default(), AtomicBool::new(false));
        Handle(Arc::new(Held { id, type_name, type_module, repr, shape, dtype, session, reaper, disposed }))
    }

    /// Its id in the session.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The `__name__` of the object's type: `ndarray`.
    pub fn type_name(&self) -> &str {
        &self.0.type_name
    }

    /// The module of the object's type: `numpy`; `None` for the types of `builtins`.
    pub fn type_module(&self) -> Option<&str> {
        self.0.type_module.as_deref()
    }

    /// The object's `repr` at the time of the call, shortened; `None` unless the client was made
    /// [`with_reprs`](crate::Client::with_reprs).
    pub fn repr(&self) -> Option<&str> {
        self.0.repr.as_deref()
    }

    /// The object's shape at the time of the call, if it has one.
    pub fn shape(&self) -> Option<&[u64]> {
        self.0.shape.as_deref()
    }

    /// The type of the object's elements, if it has one.
    pub fn dtype(&self) -> Option<&str> {
        self.0.dtype.as_deref()
    }

    /// The session that keeps the object, to which all calls on the handle go. `None`: the host's default session.
    pub fn session(&self) -> Option<&str> {
        self.0.session.as_deref()
    }

    pub(crate) fn shared_session(&self) -> Option<Arc<str>> {
        self.0.session.clone()
    }

    /// Keeps `drop` from releasing the object again.
    pub(crate) fn mark_disposed(&self) {
        self.0.disposed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(reaper) = self.reaper.take()
            && !*self.disposed.get_mut()
        {
            let id = std::mem::take(&mut self.id);
            let _ = reaper.send(Release::Handle { session: self.session.take(), id });
        }
    }
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        HandleRef(self.id().to_owned()).serialize(serializer)
    }
}

impl From<&Handle> for Value {
    fn from(handle: &Handle) -> Value {
        Value::Handle(HandleRef(handle.id().to_owned()))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("id", &self.id())
            .field("type_name", &self.type_name())
            .field("session", &self.session())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Handle {
    /// The `repr` if it is known, else the type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.repr() {
            Some(repr) => f.write_str(repr),
            None => write!(f, "<{} object>", self.type_name()),
        }
    }
}
