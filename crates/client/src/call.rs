//! Calls and replies, as transports carry them.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{CallLimits, Capabilities, HostOperation, Operation};
use bytes::Bytes;

/// One operation with its request. The request is JSON for every transport, since that is the form that sessions read.
#[derive(Clone, Debug)]
pub struct Call {
    /// The operation.
    pub target: Target,
    /// The request: a JSON object with the keys of `PROTOCOL.md`, or empty for an operation without request.
    pub body: Bytes,
    /// The session, deadline and other options.
    pub options: CallOptions,
}

/// The performer of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A session.
    Session(Operation),
    /// The host.
    Host(HostOperation),
}

/// What goes with a call beside its request.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// The deadline, counted from the arrival at the host. `None`: the host's own.
    pub timeout: Option<Duration>,
    /// The session in which it runs, or that it is about. `None`: the host's default one.
    pub session: Option<Arc<str>>,
    /// The name under which the host knows the call. It must differ from those of other calls under way.
    pub request_id: Option<Arc<str>>,
    /// How long it may take to stop when it is interrupted, before its worker is killed. `None`: the host's own.
    pub grace: Option<Duration>,
    /// What it may take. `None`: what its session may.
    pub limits: Option<Arc<CallLimits>>,
    /// For how long the handles that it makes may be unused before the host releases them. `None`: for ever.
    pub lease: Option<Duration>,
    /// Whether the host cancels the call when its future is dropped, or this process ends.
    pub cancel_on_disconnect: bool,
    /// Whether it is evaluated in a worker of its own, of which nothing is kept.
    pub isolated: bool,
    /// What the caller does while a call that it follows runs.
    pub capabilities: Capabilities,
    /// The question that the call belongs to: it is carried out while the code that asked it waits.
    pub callback: Option<Arc<str>>,
}

/// A successful reply. A failure is an [`Error`](crate::Error).
#[derive(Clone, Debug)]
pub enum Reply {
    /// JSON, with values in the exact form.
    Json(Bytes),
    /// Little-endian 32-bit floats; only for the two float array operations.
    Floats {
        /// The numbers, row after row.
        data: Bytes,
        /// Rows and columns, if known.
        shape: Option<(usize, usize)>,
    },
    /// Rows of floats; only for the operation that reads rows.
    FloatRows(Vec<Vec<f32>>),
}
