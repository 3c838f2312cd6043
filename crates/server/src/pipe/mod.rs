//! The pipe backend: one JSON object a line over a Unix socket, one line back for each.
//!
//! [`bind_pipe`] makes the socket in the home, [`Pipe`] the link by which .NET clients find it. A connection is one
//! task: `lines` cuts what arrives into lines, `request` reads one, `outgoing` holds what the client has not fetched.

mod connection;
mod error;
mod lines;
mod link;
mod name;
mod outgoing;
mod request;
mod socket;

pub use connection::serve;
pub use error::PipeError;
pub use link::Pipe;
pub use name::PipeName;
pub use socket::{BoundPipe, bind_pipe, remove_left_over};
