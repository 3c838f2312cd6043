//! Clients that mean harm: floods, bombs and requests without end. Whatever they do, it costs the server little, and the calls of
//! others are answered meanwhile and afterwards.

#[path = "support/allocations.rs"]
#[allow(unreachable_pub)]
mod allocations;
#[path = "support/frames.rs"]
#[allow(unreachable_pub)]
mod frames;
#[path = "support/gate.rs"]
#[allow(unreachable_pub, dead_code)]
mod gate;
#[path = "support/host.rs"]
#[allow(unreachable_pub, dead_code)]
mod host;
#[path = "support/server.rs"]
#[allow(unreachable_pub, dead_code)]
mod server;

#[path = "abuse/attack.rs"]
mod attack;
#[path = "abuse/calls.rs"]
mod calls;
#[path = "abuse/http1.rs"]
mod http1;
#[path = "abuse/http2_floods.rs"]
mod http2_floods;
#[path = "abuse/http2_headers.rs"]
mod http2_headers;
#[path = "abuse/http2_windows.rs"]
mod http2_windows;
#[path = "abuse/smuggling.rs"]
mod smuggling;
