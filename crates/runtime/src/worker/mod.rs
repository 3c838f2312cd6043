//! Worker processes: one Python process for each session, forked from a warm zygote, and the link to it.
//!
//! `WORKER.md` beside this crate shows the wire by example. Nothing here interprets requests;
//! [`session`](crate::session) does.

mod async_fd;
pub(crate) mod chunks;
mod control_socket;
pub(crate) mod cpu_affinity;
pub(crate) mod data_ledger;
pub(crate) mod data_link;
pub(crate) mod datum;
pub(crate) mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod lifeline;
mod memory_meter;
pub(crate) mod output_pipe;
pub(crate) mod package;
pub(crate) mod passed_json;
mod proc_stat;
pub(crate) mod process_group;
mod process_memory;
pub(crate) mod process_table;
pub(crate) mod process_tree;
pub(crate) mod request_limits;
pub(crate) mod resource_usage;
pub(crate) mod rlimits;
pub(crate) mod scratch;
pub(crate) mod shared_page;
pub(crate) mod stack_dump;
pub(crate) mod wire;
pub(crate) mod worker;
pub(crate) mod write_queue;
pub(crate) mod zygote;
pub(crate) mod zygote_error;
mod zygote_message;
pub(crate) mod zygote_variables;
