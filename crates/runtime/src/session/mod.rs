//! Sessions: isolated namespaces with their handles, each living in one worker.
//!
//! An operation is carried out here, once; each transport only decodes, authorises and encodes.

pub mod answer;
mod call;
mod cancel;
mod caps;
mod capture;
mod client_calls;
mod debugger;
mod events;
mod explain;
mod following;
mod host_calls;
pub mod host_operation;
mod inspect;
mod isolated;
mod ladder;
mod life;
mod limits;
mod nested;
pub mod operation;
mod questions;
mod queue;
mod session;
mod sessions;
mod traffic;
mod unanswered;
mod under_way;
mod zygotes;

pub use call::{Answer, RequestId, Reply, Request};
pub use capture::CapturedOutput;
pub use debugger::debug;
pub use events::{Event, Events, Question, Wants};
pub use limits::{LEAST_MEMORY_BYTES, SessionLimits};
pub use session::{Session, SessionInfo};
pub use sessions::{Capacity, SessionManager, SessionManagerError, SessionManagerOptions};
