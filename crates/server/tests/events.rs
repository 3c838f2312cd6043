//! What a call tells before its answer, over each wire as it is written there.

#![allow(unreachable_pub)] // as in any crate of tests

#[path = "support/gate.rs"]
#[allow(unreachable_pub, dead_code)]
mod gate;
#[path = "support/host.rs"]
#[allow(unreachable_pub, dead_code)]
mod host;
#[path = "support/http.rs"]
#[allow(unreachable_pub, dead_code)]
mod http;
#[path = "support/pipe.rs"]
#[allow(unreachable_pub, dead_code)]
mod pipe;

mod event {
    pub mod callbacks;
    pub mod execute;
    pub mod going_on;
    pub mod kept;
    pub mod origin;
    pub mod session_end;
    pub mod streams;
}
