//! The door: who may come in over TCP.
//!
//! Whoever reaches a backend runs code, so one layer stands in front of all routes. It asks three things of a request,
//! in this order: does it come from something else than a web page of a stranger ([`AccessDenied::Host`],
//! [`AccessDenied::Origin`]), does it come from the server's own user or show the token ([`Peer`], [`Token`]), and is its
//! body JSON of a size that we take. Routes behind the door may rely on all three.

mod access_policy;
mod authority;
mod pending_connection;
mod peer;
mod peer_uid;
mod token;

pub use access_policy::{AccessPolicy, AccessConfig, Media, AccessDenied};
pub use pending_connection::PendingConnection;
pub use peer::Peer;
pub use peer_uid::{PeerUid, peer_uid};
pub use token::{Token, TokenError};
