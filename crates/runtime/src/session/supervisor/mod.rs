//! The supervisor of a session: it starts a worker, serves its calls, explains its end and starts the next one.

pub(crate) mod callbacks;
pub(crate) mod exit_report;
pub(crate) mod supervisor;
