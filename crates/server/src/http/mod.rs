//! The HTTP backend: HTTP/1.1 on loopback, one JSON object in, one JSON object out.
//!
//! [`connection`] lets requests through the door, [`route`] names the routes, [`envelope`] reads what a request says
//! beside its body, [`answer`] makes responses.

pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod operation;
mod route;

pub use connection::serve;
pub use route::Route;
