//! What became of a call, as metrics, traces and the audit tell it.

use beep_python_protocol::ErrorCode;
#[cfg(feature = "otel")]
use beep_python_protocol::GrpcCode;

/// What a call has ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failed(ErrorCode),
    /// Its client went away before the answer.
    ClientGone,
}

impl Outcome {
    /// Its name in metrics, traces and the audit; empty for a success.
    pub(crate) const fn error_type(self) -> &'static str {
        match self {
            Outcome::Success => "",
            Outcome::Failed(code) => code.as_str(),
            Outcome::ClientGone => "client_gone",
        }
    }

    /// Its status in gRPC.
    #[cfg(feature = "otel")]
    pub(crate) const fn grpc_code(self) -> GrpcCode {
        match self {
            Outcome::Success => GrpcCode::Ok,
            Outcome::Failed(code) => code.grpc_code(),
            Outcome::ClientGone => GrpcCode::Cancelled,
        }
    }
}
