//! Large data from outside: what goes beside lines and messages, bad input, clients that vanish, and what is left then.

#[path = "support/host.rs"]
#[allow(unreachable_pub, dead_code)]
mod host;
#[path = "support/http.rs"]
#[allow(unreachable_pub, dead_code)]
mod http;
#[path = "support/pipe.rs"]
#[allow(unreachable_pub, dead_code)]
mod pipe;
#[path = "support/rpc.rs"]
#[allow(unreachable_pub, dead_code)]
mod rpc;
#[path = "support/server.rs"]
#[allow(unreachable_pub, dead_code)]
mod whole;

#[path = "data/bodies.rs"]
mod bodies;
#[path = "data/descriptors.rs"]
mod descriptors;
#[path = "data/inline.rs"]
mod inline;
#[path = "data/left_behind.rs"]
mod left_behind;
#[path = "data/programs.rs"]
mod programs;
