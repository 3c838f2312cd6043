//! The RPC backend: gRPC, and beside it the same operations as JSON, on one port.
//!
//! [`connection`] tells HTTP/2 from HTTP/1.1 and authorizes requests; [`grpc`] speaks gRPC, for which [`request`] turns
//! messages into the bodies that the session core takes (inflated by [`compression`] where they are compressed), and [`reply`] its responses into messages; [`reset`] notices that a client cancels; [`host_service`] works
//! on the host itself, and [`health_reflection`] has the services of every gRPC server. [`pascal_json`] speaks JSON with
//! keys in PascalCase, as existing clients do.

mod body;
mod compression;
mod connection;
mod data;
mod descriptor;
mod events;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod grpc;
mod health_reflection;
mod host_service;
mod pascal_case;
mod pascal_json;
mod reply;
mod request;
mod reset;
mod route;
mod status;

pub use connection::serve;
pub use route::Rpc;
