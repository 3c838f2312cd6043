//! The supervisor of a session: it starts a worker, passes on its calls, explains its exit, and starts the next one.

pub(crate) mod callbacks;
pub(crate) mod connection;
pub(crate) mod crash_loop;
pub(crate) mod exit_report;
pub(crate) mod last_words;
mod left_processes;
pub(crate) mod lifecycle;
pub(crate) mod out_of_memory;
pub(crate) mod reader;
pub(crate) mod resource_monitor;
mod sampling_pace;
pub(crate) mod spawn;
pub(crate) mod stdio;
mod stopping;
pub(crate) mod supervisor;
