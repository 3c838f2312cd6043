//! All sessions of a host.

pub(crate) mod cancel;
pub(crate) mod isolated;
pub(crate) mod manager;
