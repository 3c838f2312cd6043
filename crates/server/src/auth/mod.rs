//! Authorization: who may send requests, and what these may do.
//!
//! A client that reaches a backend runs code, so one layer stands in front of all routes. It checks, in this order, that a
//! request comes from no foreign web page ([`AccessDenied::Host`], [`AccessDenied::Origin`]), that it comes from the server's
//! own user or has a token ([`Peer`], [`AcceptedTokens`]), and that its body is JSON of an acceptable size. Routes may rely on all
//! three, and ask [`Permissions`] what the client may do. A browser that was logged in ([`browser_logins`]) stands for the client whose
//! login it had.

mod accepted_tokens;
mod access_denied;
pub(crate) mod access_policy;
mod authority;
mod browser_logins;
pub(crate) mod client;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod headers;
pub(crate) mod media;
mod named_tokens;
mod origin;
pub(crate) mod pending_connection;
mod pending_places;
mod permissions;
pub(crate) mod token;

pub use beep_python_peer::{Peer, PeerUid, peer_uid};

pub use accepted_tokens::{AcceptedTokens, DefaultToken};
pub use access_denied::AccessDenied;
pub use access_policy::{AccessConfig, AccessPolicy, Authorized};
pub(crate) use browser_logins::LOGIN_LIFETIME;
pub use media::{Charset, Media};
pub use named_tokens::{DEFAULT_TOKEN, NamedToken, NamedTokens, NewToken};
pub use origin::parse_origin;
pub use pending_connection::PendingConnection;
pub use permissions::Permissions;
pub use token::{Token, TokenError, TokenText};
