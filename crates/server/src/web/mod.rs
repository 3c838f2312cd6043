//! What HTTP and RPC share: reading call options and making responses.

pub(crate) mod call_options;
pub(crate) mod response;
