//! The backend servers of Beep Python Runtime: who may come in ([`door`]), what they can ask over HTTP ([`http`]), over
//! a Unix socket ([`pipe`]) and over RPC ([`rpc`]), how a server runs ([`serve`]), and how servers are started, found and
//! stopped ([`launch`]).

mod accept;
pub mod door;
mod events;
mod host;
pub mod http;
pub mod launch;
pub mod pipe;
mod refused;
pub mod rpc;
pub mod serve;

pub use host::Host;
