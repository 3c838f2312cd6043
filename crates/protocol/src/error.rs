//! Stable error codes, with the same meaning on every wire.

use serde::{Deserialize, Serialize};

use crate::grpc_code::GrpcCode;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal, $status:literal, $grpc:ident, $title:literal;)*) => {
        /// The kind of an error, as a word that never changes its meaning.
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $name,)*
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

            /// The gRPC status it is sent with.
            pub const fn grpc_code(self) -> GrpcCode {
                match self { $(ErrorCode::$name => GrpcCode::$grpc),* }
            }

            /// What it means, in a sentence or two.
            pub fn meaning(self) -> &'static str {
                match self { $(ErrorCode::$name => concat!($($doc),+).trim_ascii_start()),* }
            }

            /// A short title for people.
            pub const fn title(self) -> &'static str {
                match self { $(ErrorCode::$name => $title),* }
            }
        }
    };
}

codes! {
    /// Python code raised an exception; `exception` describes it.
    PythonException = "python_exception", 422, Unknown, "Python raised an exception";
    /// The request is not valid for the operation.
    InvalidRequest = "invalid_request", 400, InvalidArgument, "The request is not valid";
    /// There is no such route or operation.
    UnknownOperation = "unknown_operation", 404, Unimplemented, "No such route";
    /// The route exists, with another method.
    MethodNotAllowed = "method_not_allowed", 405, Unimplemented, "The route takes another method";
    /// The body's content type is none that the route takes.
    UnsupportedMediaType = "unsupported_media_type", 415, Unimplemented, "The body is of another type";
    /// The object has none of the forms that the request accepts.
    NotAcceptable = "not_acceptable", 406, InvalidArgument, "No form that is accepted";
    /// The body is larger than the server accepts.
    BodyTooLarge = "body_too_large", 413, ResourceExhausted, "The body is too large";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", 408, DeadlineExceeded, "The request did not arrive in time";
    /// The caller is another user, or an unknown one, and sent no valid token.
    Unauthorized = "unauthorized", 401, Unauthenticated, "A token is needed";
    /// The `Host` header does not name this server.
    ForbiddenHost = "forbidden_host", 403, PermissionDenied, "The Host header is not allowed";
    /// The request comes from a web page whose origin is not allowed.
    ForbiddenOrigin = "forbidden_origin", 403, PermissionDenied, "The origin is not allowed";
    /// The client may not do this: its token does not allow it, or it is on another machine.
    Forbidden = "forbidden", 403, PermissionDenied, "This client may not do that";
    /// The session keeps no object of this handle.
    UnknownHandle = "unknown_handle", 404, NotFound, "No such handle";
    /// The object was lost when its session was restarted.
    HandleLost = "handle_lost", 410, NotFound, "The handle was lost in a restart";
    /// The object was released because its lease ran out, or with the callback or the stream that it was for.
    HandleExpired = "handle_expired", 410, NotFound, "The handle has expired";
    /// No request of this id from Python code waits for a reply.
    UnknownQuestion = "unknown_question", 404, NotFound, "No such question";
    /// There is no such session.
    UnknownSession = "unknown_session", 404, NotFound, "No such session";
    /// The session ended after it had been idle for as long as it may.
    SessionExpired = "session_expired", 410, NotFound, "The session has expired";
    /// The value cannot be sent in the requested form.
    NotRepresentable = "not_representable", 422, FailedPrecondition, "The value cannot be represented";
    /// The worker process ended by itself; `death` says how.
    WorkerDied = "worker_died", 502, Internal, "The worker process died";
    /// The session was restarted before the call ended.
    SessionRestarted = "session_restarted", 503, Aborted, "The session was restarted";
    /// The call's deadline passed; `outcome` says what became of it.
    DeadlineExceeded = "deadline_exceeded", 504, DeadlineExceeded, "The deadline passed";
    /// The call was cancelled; `outcome` says what became of it.
    Cancelled = "cancelled", 499, Cancelled, "The call was cancelled";
    /// The session's worker cannot be started.
    WorkerUnavailable = "worker_unavailable", 503, Unavailable, "No worker could be started";
    /// Too many calls are waiting for the session.
    QueueFull = "queue_full", 429, ResourceExhausted, "Too many calls are waiting";
    /// The server has reached its limit of sessions.
    TooManySessions = "too_many_sessions", 429, ResourceExhausted, "Too many sessions";
    /// Connections, requests under way or their bodies take as much of the server as they may; nothing was done.
    Overloaded = "overloaded", 503, ResourceExhausted, "The server has too much to do";
    /// The call exceeded its limit of processor time; `outcome` says what became of it.
    CpuTimeExceeded = "cpu_time_exceeded", 422, ResourceExhausted, "The processor time is used up";
    /// The session exceeded its memory limit; `outcome` says what became of the call.
    MemoryExceeded = "memory_exceeded", 422, ResourceExhausted, "The memory limit was passed";
    /// The session exceeded its limit of processes; `outcome` says what became of the call.
    TooManyProcesses = "too_many_processes", 422, ResourceExhausted, "Too many processes";
    /// The session has reached its limit of handles.
    TooManyHandles = "too_many_handles", 422, ResourceExhausted, "Too many handles";
    /// No debugger can be started in the session.
    NoDebugger = "no_debugger", 422, FailedPrecondition, "No debugger can be started";
    /// The result exceeds its size limit.
    ResultTooLarge = "result_too_large", 422, ResourceExhausted, "The result is too large";
    /// The session's data exceeds its limit of bytes, or of pieces.
    TooMuchData = "too_much_data", 422, ResourceExhausted, "Too much data";
    /// Data that belongs to a message did not arrive with it.
    DataLost = "data_lost", 422, DataLoss, "The data did not arrive";
    /// The server is stopping.
    ShuttingDown = "shutting_down", 503, Unavailable, "The server is stopping";
    /// There is no such environment.
    UnknownEnvironment = "unknown_environment", 404, NotFound, "No such environment";
    /// Work on an environment failed.
    EnvironmentFailed = "environment_failed", 422, FailedPrecondition, "Work on the environment failed";
    /// The host itself failed.
    Internal = "internal", 500, Internal, "The host failed";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
