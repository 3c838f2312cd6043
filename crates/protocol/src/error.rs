//! Stable error codes, one meaning on every wire.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal, $title:literal;)*) => {
        /// What went wrong, in a word that never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $word),* }
            }

            /// The HTTP status it is sent with.
            pub const fn http_status(self) -> u16 {
                match self { $(ErrorCode::$name => $status),* }
            }

            /// A short title for people.
            pub const fn title(self) -> &'static str {
                match self { $(ErrorCode::$name => $title),* }
            }
        }
    };
}

codes! {
    /// Python code raised an exception; it is described in `exception`.
    PythonException = "python_exception", 422, "Python raised an exception";
    /// The request is not what the operation takes.
    InvalidRequest = "invalid_request", 400, "The request is not valid";
    /// There is no such route or operation.
    UnknownOperation = "unknown_operation", 404, "No such route";
    /// The route exists and takes another method.
    MethodNotAllowed = "method_not_allowed", 405, "The route takes another method";
    /// The body's content type is not `application/json`.
    UnsupportedMediaType = "unsupported_media_type", 415, "The body must be JSON";
    /// The body is larger than the server takes.
    BodyTooLarge = "body_too_large", 413, "The body is too large";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", 408, "The request did not arrive in time";
    /// The caller is another user, or cannot be known, and showed no valid token.
    Unauthorized = "unauthorized", 401, "A token is needed";
    /// The `Host` header names something that this server is not.
    ForbiddenHost = "forbidden_host", 403, "The Host header is not allowed";
    /// A web page of an origin that is not configured sent the request.
    ForbiddenOrigin = "forbidden_origin", 403, "The origin is not allowed";
    /// The session holds no such object.
    UnknownHandle = "unknown_handle", 404, "No such handle";
    /// The object was lost when its session was restarted.
    HandleLost = "handle_lost", 410, "The handle was lost in a restart";
    /// There is no such session.
    UnknownSession = "unknown_session", 404, "No such session";
    /// The value cannot be given in the form that was asked for.
    NotRepresentable = "not_representable", 422, "The value cannot be represented";
    /// The worker process ended by itself; `death` says how.
    WorkerDied = "worker_died", 502, "The worker process died";
    /// The session was restarted before the call ended.
    SessionRestarted = "session_restarted", 503, "The session was restarted";
    /// The call's deadline passed; `outcome` says what became of it.
    DeadlineExceeded = "deadline_exceeded", 504, "The deadline passed";
    /// The call was cancelled; `outcome` says what became of it.
    Cancelled = "cancelled", 499, "The call was cancelled";
    /// No worker can be started for the session.
    WorkerUnavailable = "worker_unavailable", 503, "No worker could be started";
    /// Too many calls wait for the session already.
    QueueFull = "queue_full", 429, "Too many calls are waiting";
    /// The server is stopping.
    ShuttingDown = "shutting_down", 503, "The server is stopping";
    /// There is no such environment.
    UnknownEnvironment = "unknown_environment", 404, "No such environment";
    /// Work on an environment failed.
    EnvironmentFailed = "environment_failed", 422, "Work on the environment failed";
    /// The host itself failed.
    Internal = "internal", 500, "The host failed";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
