//! The RPC wire: its messages, the frames that they travel in, and what an error status carries.

mod details;
mod frame;
#[allow(missing_docs, reason = "the definition says what there is to say")]
pub mod messages;

use crate::CallOption;

pub use details::{decode_details, encode_details, full_details};
pub use frame::{Extras, FRAME_HEAD_BYTES, FrameError, decode, encode, frame_head, split_frame, unframe};

/// What stands before the service in a route: `/beep.python.runtime.PythonService/Evaluate`.
pub const ROUTE_PREFIX: &str = "/beep.python.runtime.";

/// The definition in binary form, a `google.protobuf.FileDescriptorSet`, as reflection wants it.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/python_service.bin"));

/// Metadata names the session of a call.
pub const SESSION: &str = CallOption::Session.metadata();
/// Metadata names the call itself, by an id that the client chose.
pub const REQUEST: &str = CallOption::RequestId.metadata();
/// Metadata says how many milliseconds the call may take to stop when it is interrupted.
pub const GRACE: &str = CallOption::Grace.metadata();
/// Metadata says for how many milliseconds the handles that the call makes may be unused before they are released.
pub const LEASE: &str = CallOption::Lease.metadata();
/// Metadata says what the call may take: a JSON object of [`CallLimits`](crate::CallLimits).
pub const LIMITS: &str = CallOption::Limits.metadata();
/// Metadata asks (`true`) for the call to be cancelled when its client goes away.
pub const CANCEL_ON_DISCONNECT: &str = CallOption::CancelOnDisconnect.metadata();
/// Metadata asks (`true`) for a worker of the call's own, of which nothing is kept.
pub const ISOLATED: &str = CallOption::Isolated.metadata();
/// Metadata says in which form values travel.
pub const VALUES: &str = CallOption::Values.metadata();
/// Metadata says what the client offers to do meanwhile: `stdin,callbacks`.
pub const CAPABILITIES: &str = CallOption::Capabilities.metadata();
/// Metadata asks (`true`) for the variables of the frames of an exception.
pub const TRACEBACK_LOCALS: &str = CallOption::TracebackLocals.metadata();
/// A header of the answer: its messages are events.
pub const EVENTS: &str = "beep-events";
/// Metadata names the question that a call belongs to.
pub const CALLBACK: &str = CallOption::Callback.metadata();
/// Metadata asks for the whole [`ErrorDetails`](messages::ErrorDetails) as a message before an error status.
pub const ERRORS: &str = "beep-errors";
/// The value of [`ERRORS`] that does.
pub const ERRORS_AS_MESSAGE: &str = "message";
/// The trailer with the details of an error.
pub const DETAILS: &str = "grpc-status-details-bin";
