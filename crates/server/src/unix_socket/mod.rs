//! The pipe backend: one JSON object a line over a Unix socket, one line back for each.
//!
//! [`bind_pipe`] makes the socket in the home, [`Pipe`] the link by which .NET clients find it. `serve` accepts
//! connections, and each [`connection`] is one task: `line_decoder` cuts what arrives into lines, `request` reads one,
//! `reply` writes the answer, `write_buffer` holds what the client has not read.

mod connection;
mod data;
mod descriptors;
mod dotnet_link;
pub(crate) mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod incoming;
mod line_decoder;
pub(crate) mod name;
mod path;
mod readiness;
mod receiving;
mod refusals;
mod reply;
mod request;
mod respond;
mod serve;
pub(crate) mod socket;
mod write_buffer;

pub use dotnet_link::{Pipe, is_linked};
pub use error::PipeError;
pub use name::PipeName;
pub use serve::serve;
pub use socket::{BoundPipe, bind_pipe, remove_left_over};
