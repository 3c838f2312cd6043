//! The HTTP backend: HTTP/1.1, and over TLS HTTP/2, one JSON object in, one JSON object out.
//!
//! [`connection`] authorizes requests, [`route`] names the routes, [`operation`] asks a session, [`login`] lets browsers in.

mod body;
mod connection;
mod data;
mod login;
mod operation;
mod route;

pub use connection::serve;
pub use route::Route;
