//! Which user holds the other end of a connection on this machine.
//!
//! A server asks before it takes requests without a token, a client before it sends one: [`Peer::of`] and [`Peer::of_server`].

mod peer;
mod peer_uid;
mod tables;
mod user_namespace;

pub use peer::Peer;
pub use peer_uid::{PeerUid, peer_uid, prepare, server_uid};
pub use user_namespace::is_in_own_user_namespace;
