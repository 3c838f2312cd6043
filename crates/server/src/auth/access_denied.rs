//! Why a request is not authorized.

use beep_python_protocol::{ErrorCode, Problem};

/// Why a request is not authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessDenied {
    /// The `Host` header is missing, repeated, or names something that this server is not.
    #[error("the Host header must name this server: a loopback name, or a name that the server was given")]
    Host,
    /// A web page of an origin that is not configured sent the request.
    #[error("requests from web pages are refused, unless their origin was allowed when the server was started")]
    Origin,
    /// A browser that is logged in sent a request that changes something, without the header that pages of other sites cannot send.
    #[error("a browser that is logged in must send the header `X-Beep-Csrf` with every request that changes something")]
    Csrf,
    /// The peer is another user or cannot be known, and it showed no token or a wrong one.
    #[error(
        "the client is another user, or cannot be known: show a token of the server's as `Authorization: Bearer`, over a pipe as `token` in \
        the first line"
    )]
    Token,
    /// A proxy passed the request on, so that its client cannot be known, and it showed no token or a wrong one.
    #[error(
        "a proxy passed this request on, as a header like `Forwarded`, `Via` or `X-Forwarded-For` says, so that its client cannot be known: \
        show a token of the server's as `Authorization: Bearer`"
    )]
    Forwarded,
    /// The server wants a token of everyone, and the client showed none or a wrong one.
    #[error(
        "this server wants a token of every client: show one as `Authorization: Bearer`, over a pipe as `token` in the first line"
    )]
    TokenOfEveryone,
    /// The peer is another user, and the backend serves its own.
    #[error("the client is another user; this pipe serves its own user only")]
    User,
    /// The peer is in another user namespace, where any process may have become this user.
    #[error("the client is in another user namespace, as in a sandbox; this pipe serves its own only")]
    Namespace,
    /// The body is not declared as JSON.
    #[error("the body must be declared as `Content-Type: application/json`")]
    ContentType,
    /// The body is not declared as data.
    #[error(
        "the body must be declared as application/x-npy, application/vnd.apache.arrow.stream, \
        application/octet-stream, image/png or application/json"
    )]
    DataType,
    /// The body is declared larger than the server takes.
    #[error("the body is {declared} bytes long, the server takes at most {limit}")]
    BodySize {
        /// What `Content-Length` says.
        declared: u64,
        /// What the server takes.
        limit: u64,
    },
}

impl AccessDenied {
    /// The stable code.
    pub fn code(self) -> ErrorCode {
        match self {
            AccessDenied::Host => ErrorCode::ForbiddenHost,
            AccessDenied::Origin | AccessDenied::Csrf => ErrorCode::ForbiddenOrigin,
            AccessDenied::Token
            | AccessDenied::TokenOfEveryone
            | AccessDenied::Forwarded
            | AccessDenied::User
            | AccessDenied::Namespace => ErrorCode::Unauthorized,
            AccessDenied::ContentType | AccessDenied::DataType => ErrorCode::UnsupportedMediaType,
            AccessDenied::BodySize { .. } => ErrorCode::BodyTooLarge,
        }
    }
}

impl From<AccessDenied> for Problem {
    fn from(refusal: AccessDenied) -> Problem {
        Problem::new(refusal.code(), refusal.to_string())
    }
}
