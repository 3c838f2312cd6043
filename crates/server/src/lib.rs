//! The backend servers of Beep Python Runtime: who may come in ([`door`]), what they can ask over HTTP ([`http`]), how
//! a server runs ([`serve`]), and how servers are started, found and stopped ([`launch`]).

pub mod door;
mod host;
pub mod http;
pub mod launch;
pub mod serve;

pub use host::Host;
