//! Sessions: isolated namespaces with their handles, each living in one worker.
//!
//! The files stand on floors, and import from lower floors only (a test of the command line's crate holds this):
//! `call` and its neighbours are plain data; `state` decides; `supervisor` acts; `manager` keeps all sessions;
//! [`service`] is what transports call.

mod call;
mod crash_report;
mod environment_service;
mod error;
mod event;
mod event_channel;
mod event_stream;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod held_time;
mod inspect;
mod interrupt;
mod limits;
mod manager;
mod metrics;
mod output;
pub mod service;
mod session;
mod session_events;
mod shared;
mod spin;
mod state;
mod supervisor;
mod unfinished_lines;
mod zygote_pool;

pub use call::{CallResult, Payload, Request, RequestId, Response};

pub use environment_service::service::EnvironmentService;
pub use event::{ClientRequest, ClientRequestKind, Event};
pub use event_stream::EventStream;
pub use inspect::SessionInfo;
pub use limits::{LEAST_MEMORY_BYTES, SessionLimits};
pub use manager::manager::SessionManager;
pub use manager::options::{Capacity, SessionManagerError, SessionManagerOptions};
pub use metrics::{MetricsFormat, TIMES};
pub use output::{CapturedOutput, OutputPiece};
pub use service::debugger::debug;
pub use session::Session;
pub use session_events::SessionEvents;

pub use crate::worker::data_ledger::HeldMemory;
pub use crate::worker::datum::{Datum, DatumMemory, DatumPieces};
pub use crate::worker::package::PackageError;
pub use crate::worker::wire::TakesData;
pub use crate::worker::zygote_error::ZygoteError;
