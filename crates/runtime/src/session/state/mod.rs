//! The state of a session: its calls and what belongs to them. No task, no I/O, no clock but the one it is given.

pub(crate) mod call_record;
pub(crate) mod client_requests;
pub(crate) mod nested;
pub(crate) mod state;
