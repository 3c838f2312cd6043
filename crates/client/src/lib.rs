//! Python for Rust programs: clients of Beep Python Runtime.
//!
//! A *host* runs Python code in worker processes and keeps objects there; a program evaluates code on it, calls methods
//! and gets typed results. The operations are those of one trait, [`PythonHostBackend`], whichever way leads to the host:
//!
//! | backend | reaches | needs |
//! |---|---|---|
//! | [`PipeBackend`] | a server on this machine, over a Unix socket | `beep-python start pipe` |
//! | [`HttpBackend`] | a server, over HTTP | `beep-python start http` |
//! | `RpcBackend` (feature `rpc`, on by default) | a server, over gRPC | `beep-python start rpc` |
//! | `LocalBackend` (feature `local`) | a host inside this process | any Python from 3.9 up, and no server |
//!
//! # Beginning
//!
//! [`discover`] finds the servers of this user that run, and [`connect`] picks the backend that an endpoint means:
//!
//! ```no_run
//! use beep_python_client::{Error, PythonHostBackend, connect, discover};
//!
//! # async fn example() -> Result<(), Error> {
//! let python = match discover()?.first() {
//!     Some(server) => server.connect()?,
//!     None => connect("http://127.0.0.1:5678")?,
//! };
//! python.initialize().await?; // finds out whether it is there
//! let sum: i64 = python.evaluate("sum(range(10))").await?;
//! # let _ = sum;
//! # Ok(())
//! # }
//! ```
//!
//! All of it is asynchronous and runs on tokio. Without a server, with the feature `local`:
//!
//! ```no_run
//! # #[cfg(feature = "local")]
//! # async fn example() -> Result<(), beep_python_client::Error> {
//! use beep_python_client::{LocalBackend, LocalOptions, PythonHostBackend};
//!
//! let python = LocalBackend::new(LocalOptions::from("/usr/bin/python3"));
//! let version: String = python.evaluate("import platform; platform.python_version()").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Results
//!
//! A result has the type that is asked for: any that serde can read, a [`Value`] for whatever it is, a [`Handle`] on an
//! object that stays with the host, [`Returned`] for either, or an [`Response`] around any of these for what the code
//! printed. Names persist from call to call; those given with the call do not.
//!
//! ```no_run
//! use beep_python_client::{Response, Args, Error, Handle, HttpBackend, Locals, PythonHostBackend};
//!
//! # async fn example() -> Result<(), Error> {
//! # let python = HttpBackend::connect("http://127.0.0.1:5678")?;
//! let parts: (i64, String) = python
//!     .evaluate_with("(n + 1, text.upper())", Locals::new().local("n", 1).local("text", "one"))
//!     .await?;
//!
//! let collections = python.import_module("collections").await?;
//! let counter: Handle = python.create_object(&collections, "Counter", ("mississippi",)).await?;
//! let common: Vec<(String, u32)> = python.call_method(&counter, "most_common", (2,)).await?;
//! let other = python.create_object(&collections, "Counter", Args::new().kwarg("s", 2)).await?;
//! python.call_method::<()>(&counter, "subtract", (&other,)).await?; // a handle stands for its object
//!
//! let answer: Response<i64> = python.evaluate("print('hello'); 1").await?;
//! assert_eq!((answer.value, answer.stdout.as_str()), (1, "hello\n"));
//! # let _ = (parts, common);
//! # Ok(())
//! # }
//! ```
//!
//! # Failures
//!
//! [`Error::Python`] is an exception that the code raised, with its traceback; everything else means that the host did
//! not do what it was asked to, or was not reached. A call whose connection broke after it was sent is never sent again:
//! [`Error::ConnectionLost`] says that it may have run. A connection that was closed while nobody used it is replaced
//! without a word.
//!
//! ```no_run
//! # use beep_python_client::{Error, HttpBackend, PythonHostBackend};
//! # async fn example() -> Result<(), Error> {
//! # let python = HttpBackend::connect("http://127.0.0.1:5678")?;
//! match python.evaluate::<f64>("1 / 0").await {
//!     Err(Error::Python(raised)) => assert_eq!(raised.exception.kind, "ZeroDivisionError"),
//!     other => println!("{other:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Sessions, deadlines, environments
//!
//! Without further ado all clients of a host share one session: one namespace, one worker, one call at a time.
//! [`create_session`](PythonHostBackend::create_session) makes another, which runs beside it, and
//! [`with_session`](PythonHostBackend::with_session) gives the backend whose calls go there;
//! [`with_timeout`](PythonHostBackend::with_timeout) gives calls a deadline. Environments and their packages are managed
//! through [`create_environment`](PythonHostBackend::create_environment) and its like.
//!
//! The examples of this crate (`evaluate`, `objects`, `arrays`, `provider`) run against any host.

mod args;
mod call;
mod callback;
mod client;
mod connect;
mod connections;
mod discover;
mod error;
mod event;
mod execution;
mod floats;
mod handle;
mod handle_reaper;
mod http;
mod invoke;
#[cfg(feature = "local")]
mod local;
mod pipe;
mod response;
#[cfg(feature = "rpc")]
mod rpc;
mod socket_probe;
mod state;
mod value_stream;

pub use args::{Args, Locals};
pub use beep_python_protocol as protocol;
pub use beep_python_protocol::message::{CancelOutcome, EnvironmentInfo, Health, SessionInfo};
pub use beep_python_protocol::{
    CallLimits, Debugger, HeldObject, Limits, SessionInspection, SessionOptions, StackFrame, ThreadStack,
};
pub use beep_python_protocol::{ErrorCode, Problem, PythonException, ServerEndpoint, ServerRecord, Value};
pub use call::{Call, CallOptions, Reply, Target};
pub use callback::{Callback, CallbackCall};
pub use client::PythonHostBackend;
pub use connect::{AnyBackend, connect};
pub use discover::{RunningServer, discover, discover_in};
pub use error::{Error, PythonError};
pub use event::{Display, Event, EventStream};
pub use execution::{Execution, ExecutionEvent, InputRequest};
pub use handle::Handle;
pub use http::{Endpoint, HttpBackend};
#[cfg(feature = "local")]
pub use local::{LocalBackend, LocalOptions, LocalPython};
pub use pipe::{PipeBackend, PipeEndpoint};
pub use response::{FromResponse, Response, Returned};
#[cfg(feature = "rpc")]
pub use rpc::RpcBackend;
pub use state::Context;
pub use value_stream::ValueStream;

/// The Rust of the documents compiles.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/clients/rust.md")]
    mod rust {}
}
