//! The status codes of gRPC.

/// How a call over gRPC ended. The number is what `grpc-status` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum GrpcCode {
    /// It went well.
    Ok = 0,
    /// The call was cancelled.
    Cancelled = 1,
    /// Something raised that says more of itself in the details.
    Unknown = 2,
    /// The request is wrong, whatever the state of the server.
    InvalidArgument = 3,
    /// The deadline passed.
    DeadlineExceeded = 4,
    /// What was named is not there.
    NotFound = 5,
    /// It is there already.
    AlreadyExists = 6,
    /// The caller may not do this.
    PermissionDenied = 7,
    /// Too much was asked for.
    ResourceExhausted = 8,
    /// The state of the server does not allow it.
    FailedPrecondition = 9,
    /// The call was ended in the middle.
    Aborted = 10,
    /// Past the end of something.
    OutOfRange = 11,
    /// There is no such rpc.
    Unimplemented = 12,
    /// The server failed.
    Internal = 13,
    /// The server takes no calls now; nothing was done.
    Unavailable = 14,
    /// Data was lost.
    DataLoss = 15,
    /// The caller did not show who it is.
    Unauthenticated = 16,
}

impl GrpcCode {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name in the specification.
    pub const fn as_str(self) -> &'static str {
        match self {
            GrpcCode::Ok => "OK",
            GrpcCode::Cancelled => "CANCELLED",
            GrpcCode::Unknown => "UNKNOWN",
            GrpcCode::InvalidArgument => "INVALID_ARGUMENT",
            GrpcCode::DeadlineExceeded => "DEADLINE_EXCEEDED",
            GrpcCode::NotFound => "NOT_FOUND",
            GrpcCode::AlreadyExists => "ALREADY_EXISTS",
            GrpcCode::PermissionDenied => "PERMISSION_DENIED",
            GrpcCode::ResourceExhausted => "RESOURCE_EXHAUSTED",
            GrpcCode::FailedPrecondition => "FAILED_PRECONDITION",
            GrpcCode::Aborted => "ABORTED",
            GrpcCode::OutOfRange => "OUT_OF_RANGE",
            GrpcCode::Unimplemented => "UNIMPLEMENTED",
            GrpcCode::Internal => "INTERNAL",
            GrpcCode::Unavailable => "UNAVAILABLE",
            GrpcCode::DataLoss => "DATA_LOSS",
            GrpcCode::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}
