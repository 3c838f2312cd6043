//! The public wire of Beep Python Runtime: the messages, values and error codes that clients and servers share.
//!
//! This crate does no I/O and knows no processes, sockets or files. `PROTOCOL.md` beside it shows the wire by example.

mod call_options;
mod capabilities;
mod data;
mod death;
mod debugger;
mod error;
mod exception;
mod form;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "grpc")]
pub mod grpc;
mod grpc_code;
mod host_operation;
mod inspection;
mod known_keys;
pub mod message;
mod operation;
mod option_value;
mod path_text;
mod problem;
#[cfg(feature = "schema")]
pub mod schema;
mod server_record;
mod session_options;
mod trace_context;
mod user_text;
mod value;

pub use call_options::{CallOption, CallOptions, TextWire};
pub use capabilities::Capabilities;
pub use data::{DataDescriptor, DataFormat, DataKind};
pub use death::{DeathCause, WorkerDeath};
pub use debugger::{DebugRequest, Debugger};
pub use error::ErrorCode;
pub use exception::{Frame, PythonException, SyntaxLocation};
pub use form::ValueForm;
pub use grpc_code::GrpcCode;
pub use host_operation::HostOperation;
pub use inspection::{HandleList, HeldObject, SessionInspection, StackFrame, ThreadStack};
pub use known_keys::{from_json_object, nearest};
pub use message::CallInfo;
pub use operation::Operation;
pub use problem::{Outcome, Problem};
pub use server_record::{Place, ServerEndpoint, ServerRecord, ServerState, start_time};
pub use session_options::{CallLimits, DEFAULT_SESSION, Limits, SessionOptions};
pub use trace_context::TraceContext;
pub use user_text::{pipe_name, quoted};
pub use value::{
    BigInt, DateTime, EnumMember, HandleRef, SurrogateStr, Time, TimeDelta, Value, ValueError, from_value, to_value,
};
