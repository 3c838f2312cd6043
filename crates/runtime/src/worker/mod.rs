//! Worker processes: one Python process for each session, forked from a warm zygote, and the link to it.
//!
//! `WORKER.md` beside this crate shows the wire by example. Nothing here knows what a request means; that is
//! [`session`](crate::session)'s.

mod frame;
mod kill;
mod lifeline;
mod near;
mod outbox;
mod package;
mod slots;
mod usage;
mod watch;
mod worker;
mod zygote;

pub use frame::{Body, Decoder, FrameError, HEADER_BYTES, Message, encode as encode_frames, flag, kind};
pub use lifeline::Lifeline;
pub use near::Near;
pub use outbox::Outbox;
pub use package::{PackageError, unpack as unpack_package};
pub use slots::{GoingBack, SLOTS, Slots};
pub use usage::{Usage, limit_data, limit_open_files, limit_tasks, resident_bytes, usage};
pub use worker::{Drained, Output, Worker, WorkerEnds};
pub use zygote::{Death, Zygote, ZygoteConfig, ZygoteError};
