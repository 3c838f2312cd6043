//! The pipe backend: one JSON object a line over a Unix socket, one line back for each.
//!
//! [`bind_pipe`] makes the socket in the home, [`Pipe`] the link by which .NET clients find it. A connection is one
//! task: `lines` cuts what arrives into lines, `request` reads one, `outgoing` holds what the client has not fetched.

mod connection;
mod error;
mod line_decoder;
mod dotnet_link;
mod name;
mod write_buffer;
mod request;
mod socket;

pub use connection::serve;
pub use error::PipeError;
pub use dotnet_link::Pipe;
pub use name::PipeName;
pub use socket::{BoundPipe, bind_pipe, remove_left_over};
