//! The RPC backend: gRPC, and beside it the same operations as JSON, on one port.
//!
//! [`connection`] tells HTTP/2 from HTTP/1.1 and lets requests through the door; [`grpc`] speaks gRPC, for which
//! [`request`] turns messages into the bodies that the session core takes and [`reply`] its answers into messages,
//! [`host`] works on the host itself and [`standard`] has the services that every gRPC server has; [`json`] speaks JSON
//! with keys in PascalCase, as existing clients do.

mod body;
mod connection;
mod events;
mod grpc;
mod host_service;
mod pascal_json;
mod metadata;
mod reply;
mod request;
mod route;
mod health_reflection;

pub use connection::serve;
pub(crate) use pascal_json::{rename_detail_key, pascal_keys as pascal_case};
pub use route::Rpc;
