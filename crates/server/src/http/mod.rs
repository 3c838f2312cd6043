//! The HTTP backend: HTTP/1.1 on loopback, one JSON object in, one JSON object out.
//!
//! [`connection`] takes connections and lets requests through the door, [`route`] names the routes, [`operation`]
//! carries the operations to the session core, [`environment`] the work on environments.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod connection;
mod envelope;
pub(crate) mod environment;
pub(crate) mod floats;
pub(crate) mod operation;
mod route;
pub(crate) mod sessions;

pub use connection::serve;
pub use route::Route;
