//! The backend servers of Beep Python Runtime: authorization ([`auth`]), the backends over HTTP ([`http`]), over a Unix
//! socket ([`unix_socket`]) and over RPC ([`rpc`]), running a server ([`serve`]), and starting, finding and stopping servers
//! ([`launch`]).

mod accept;
mod allocator;
mod audit;
pub mod auth;
mod body_budget;
mod bounds;
mod events;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod launch;
mod line_budget;
mod metrics;
pub mod openapi;
mod peer_shares;
mod rejection_log;
pub mod rpc;
pub mod serve;
mod server_context;
mod spans;
pub mod stage;
pub mod tls;
mod traces;
mod transport;
pub mod unix_socket;
mod web;

pub use audit::{AUDIT_SPANS, AUDIT_TARGET};
pub use body_budget::BodyBudget;
pub use bounds::{Bounds, BoundsConfig, TooManyConnections};
pub use server_context::ServerContext;
pub use traces::TraceSettings;
