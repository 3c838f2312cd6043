//! The HTTP backend: HTTP/1.1 on loopback, one JSON object in, one JSON object out.
//!
//! [`connection`] takes connections and lets requests through the door, [`route`] names the routes, [`operation`]
//! carries the operations to the session core, [`environment`] the work on environments.

mod answer;
mod body;
mod connection;
mod envelope;
mod environment;
mod floats;
mod operation;
mod route;
mod sessions;

pub use connection::serve;
pub use route::Route;
