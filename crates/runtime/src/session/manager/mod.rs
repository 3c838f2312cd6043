//! All sessions of a host: making, finding, listing and ending them, isolated calls, and cancelling by request id.

pub(crate) mod cancel;
pub(crate) mod close_on_drop;
pub(crate) mod expired;
mod isolated;
pub(crate) mod manager;
pub(crate) mod options;
