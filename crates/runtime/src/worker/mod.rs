//! Worker processes: one Python process for each session, forked from a warm zygote, and the link to it.
//!
//! `WORKER.md` beside this crate shows the wire by example. Nothing here knows what a request means; that is
//! [`session`](crate::session)'s.

mod async_fd;
pub(crate) mod cpu_affinity;
pub(crate) mod frame;
pub(crate) mod lifeline;
pub(crate) mod package;
mod process_tree;
pub(crate) mod resource_usage;
pub(crate) mod rlimits;
pub(crate) mod shared_page;
pub(crate) mod wire;
pub(crate) mod worker;
pub(crate) mod write_queue;
pub(crate) mod zygote;

pub use frame::Body;
