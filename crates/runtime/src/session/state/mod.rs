//! The state of a session, as plain data: its lifecycle, its calls and what belongs to them.
//!
//! A transition takes plain data (the time included) and appends [`Effect`](effect::Effect)s, which
//! [`SessionInner`](super::shared::SessionInner) carries out under the same lock. Nothing here starts a task, does I/O or
//! reads a clock, so the tests drive every transition without a Python.

pub(crate) mod call_record;
pub(crate) mod call_table;
pub(crate) mod calls;
pub(crate) mod client_requests;
pub(crate) mod effect;
pub(crate) mod events;
pub(crate) mod kept_callbacks;
pub(crate) mod lifecycle;
pub(crate) mod nested;
pub(crate) mod reply_sink;
pub(crate) mod running;
pub(crate) mod settling;
pub(crate) mod state;
pub(crate) mod streams;
pub(crate) mod subscribers;
#[cfg(test)]
mod tests;
pub(crate) mod untold;
