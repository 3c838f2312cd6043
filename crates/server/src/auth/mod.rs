//! Authorization: who may send requests over TCP.
//!
//! A client that reaches a backend runs code, so one layer stands in front of all routes. It checks, in this order, that a
//! request comes from no foreign web page ([`AccessDenied::Host`], [`AccessDenied::Origin`]), that it comes from the server's
//! own user or has the token ([`Peer`], [`Token`]), and that its body is JSON of an acceptable size. Routes may rely on all
//! three.

pub(crate) mod access_policy;
mod authority;
pub(crate) mod media;
mod origin;
pub(crate) mod pending_connection;
mod token;

pub use beep_python_peer::{Peer, PeerUid, peer_uid};

pub use access_policy::{AccessConfig, AccessDenied, AccessPolicy};
pub use media::{Charset, Media};
pub use origin::parse_origin;
pub use pending_connection::PendingConnection;
pub use token::{Token, TokenError};
