//! The HTTP backend: HTTP/1.1, and over TLS HTTP/2, one JSON object in, one JSON object out.
//!
//! [`connection`] authorizes requests, [`route`] names the routes, [`operation`] asks a session.

mod body;
mod connection;
mod data;
mod operation;
mod route;

pub use connection::serve;
pub use route::Route;
