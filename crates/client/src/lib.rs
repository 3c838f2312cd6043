//! Clients for Beep Python Runtime.
//!
//! [`PythonHostBackend`] has the operations; [`HttpBackend`] performs them over HTTP, [`PipeBackend`] over a Unix socket,
//! `RpcBackend` over gRPC, and [`connect`] picks the one that an endpoint means. Results are typed by what the caller
//! asks for: any type that serde can read, [`Value`], a [`Handle`] on an object that stays in the session, [`Returned`]
//! for whichever of both it is, or [`Answer`] around any of them for what the code printed.
//!
//! ```no_run
//! use beep_python_client::{Answer, Error, HttpBackend, PythonHostBackend};
//!
//! # async fn example() -> Result<(), Error> {
//! let python = HttpBackend::connect("http://127.0.0.1:5678")?;
//! let sum: i64 = python.evaluate("sum(range(10))").await?;
//!
//! let math = python.import_module("math").await?;
//! let root: f64 = python.call_method(&math, "sqrt", (2.0,)).await?;
//!
//! let answer: Answer<(i64, String)> = python.evaluate("print('hello'); (1, 'one')").await?;
//! assert_eq!(answer.stdout, "hello\n");
//! # let _ = (sum, root);
//! # Ok(())
//! # }
//! ```

mod answer;
mod args;
mod backend;
mod call;
mod connect;
mod connections;
mod context;
mod error;
mod floats;
mod handle;
mod http;
#[cfg(feature = "local")]
mod local;
mod pipe;
mod probe;
mod release;
#[cfg(feature = "rpc")]
mod rpc;

pub use answer::{Answer, FromAnswer, Returned};
pub use args::{Args, Locals};
pub use backend::PythonHostBackend;
pub use beep_python_protocol as protocol;
pub use beep_python_protocol::message::{CancelOutcome, EnvironmentInfo, Health, SessionInfo};
pub use beep_python_protocol::{ErrorCode, Problem, PythonException, Value};
pub use call::{Call, CallOptions, Reply, Target};
pub use connect::{AnyBackend, connect};
pub use context::Context;
pub use error::{Error, PythonError};
pub use handle::Handle;
pub use http::{Endpoint, HttpBackend};
#[cfg(feature = "local")]
pub use local::{LocalBackend, LocalOptions, LocalPython};
pub use pipe::{PipeBackend, PipeEndpoint};
#[cfg(feature = "rpc")]
pub use rpc::RpcBackend;
