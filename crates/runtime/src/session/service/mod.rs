//! What transports call: operations by their name, requests and answers as JSON.

pub mod attach;
pub(crate) mod debugger;
pub mod host_operation;
pub mod json;
pub mod operation;
