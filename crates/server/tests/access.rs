//! Who is let in by what, and what these may do: tokens on every wire, from outside.

#[path = "support/gate.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod gate;
#[path = "support/host.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod host;
#[path = "support/http.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod http;
#[path = "support/pipe.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod pipe;
#[path = "support/server.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod server;

mod access {
    mod bounds;
    mod browsers;
    mod permissions;
    mod proxies;
    mod tokens;
    mod wires;
}
