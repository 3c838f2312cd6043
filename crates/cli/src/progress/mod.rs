//! Progress: a bar or a changing line on a terminal, plain lines elsewhere.

pub(crate) mod install;
pub(crate) mod packages;
