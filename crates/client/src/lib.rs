//! Python for Rust programs: clients of Beep Python Runtime.
//!
//! A *host* runs Python code in worker processes and keeps objects there. A program evaluates code on it, calls methods
//! and gets typed results. [`Client`] has the operations, whatever the transport:
//!
//! | client | reaches | needs |
//! |---|---|---|
//! | [`PipeBackend`] | a server on this machine, over a Unix socket | `beep-python start pipe` |
//! | [`HttpBackend`] | a server, over HTTP | `beep-python start http` |
//! | `RpcBackend` (feature `rpc`, on by default) | a server, over gRPC | `beep-python start rpc` |
//! | `LocalBackend` (feature `local`) | a host inside this process | any Python from 3.9 up, and no server |
//! | [`AnyBackend`] | any of these | |
//!
//! Code that is generic over them takes a `Client<T>` of any [`Transport`], or a [`PythonHostBackend`].
//!
//! # Getting started
//!
//! [`discover`] finds the running servers of this user, and [`connect`] picks the client for an endpoint:
//!
//! ```no_run
//! use beep_python_client::{Error, connect, discover};
//!
//! # async fn example() -> Result<(), Error> {
//! let python = match discover()?.first() {
//!     Some(server) => server.connect()?,
//!     None => connect("http://127.0.0.1:5678")?,
//! };
//! python.health().await?; // finds out whether the host is there
//! let sum: i64 = python.evaluate("sum(range(10))").await?;
//! # let _ = sum;
//! # Ok(())
//! # }
//! ```
//!
//! Everything is asynchronous and runs on tokio. Without a server, with the feature `local`:
//!
//! ```no_run
//! # #[cfg(feature = "local")]
//! # async fn example() -> Result<(), beep_python_client::Error> {
//! use beep_python_client::{LocalBackend, LocalOptions};
//!
//! let python = LocalBackend::new(LocalOptions::from("/usr/bin/python3"));
//! let version: String = python.evaluate("import platform; platform.python_version()").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Results
//!
//! The caller chooses the type of a result: any that serde can read, a [`Value`] for any value, a [`Handle`] of an object
//! that stays with the host, [`Returned`] for either, or a [`Response`] around one of these for what the code printed.
//! Names persist from call to call; those that are given with a call do not.
//!
//! ```no_run
//! use beep_python_client::{Args, Error, Handle, HttpBackend, Locals, Response};
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
//! let response: Response<i64> = python.evaluate("print('hello'); 1").await?;
//! assert_eq!((response.value, response.stdout.as_str()), (1, "hello\n"));
//! # let _ = (parts, common);
//! # Ok(())
//! # }
//! ```
//!
//! # Failures
//!
//! [`Error::Python`] is an exception that the code raised, with its traceback. Every other error means that the host could
//! not carry out the call, or was not reached. A call whose connection broke after it was sent is never sent again:
//! [`Error::ConnectionLost`] says that it may have run. An idle connection that the host closed is replaced silently.
//!
//! ```no_run
//! # use beep_python_client::{Error, HttpBackend};
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
//! # Streams
//!
//! [`Execution`], [`ValueStream`] and [`EventStream`] implement [`Stream`](futures_util::Stream), so the adapters of
//! `futures` and `tokio-stream` apply.
//!
//! # Sessions, deadlines, environments
//!
//! By default all clients of a host share one session: one namespace, one worker, one call at a time.
//! [`create_session`](Client::create_session) makes another, which runs in parallel, and
//! [`with_session`](Client::with_session) returns a client whose calls go there. [`with_timeout`](Client::with_timeout)
//! sets a deadline. [`create_environment`](Client::create_environment) and its neighbours manage environments and their
//! packages.
//!
//! The examples of this crate (`evaluate`, `objects`, `arrays`, `provider`) run against any host.

mod any_transport;
mod args;
mod batch;
mod body;
mod call;
mod callback;
mod callback_dispatcher;
mod client;
mod connect;
mod connections;
mod data;
mod discover;
mod error;
mod event;
mod execution;
mod fingerprint;
mod floats;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod handle_reaper;
mod host_backend;
mod http;
mod invoke;
mod key;
#[cfg(feature = "local")]
mod local;
mod operations;
mod pipe;
mod response;
#[cfg(feature = "rpc")]
mod rpc;
mod session_events;
mod socket_probe;
mod state;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod trust;
mod value_stream;

pub use any_transport::{AnyBackend, AnyTransport};
pub use args::{Args, Locals};
pub use batch::{Batch, BatchResults, Object, Step};
pub use beep_python_protocol as protocol;
pub use beep_python_protocol::message::{
    CancelOutcome, EnvironmentInfo, Health, InterruptRequest, InterruptResponse, SessionInfo,
};
pub use beep_python_protocol::message::{Display, LogRecord, Progress, SessionEpoch};
pub use beep_python_protocol::{
    CallLimits, CallOptions, DataDescriptor, DataFormat, DataKind, Debugger, HeldObject, Limits, SessionInspection,
    SessionOptions, StackFrame, ThreadStack,
};
pub use beep_python_protocol::{ErrorCode, Problem, PythonException, ServerEndpoint, ServerRecord, Value};
pub use call::{Call, Reply, Target};
pub use callback::{Callback, CallbackCall};
pub use client::Client;
pub use connect::connect;
pub use data::{Array, Buffer, Bytes, Datum, Element, Table};
pub use discover::{RunningServer, discover, discover_in, token_in_env};
pub use error::{Error, PythonError};
pub use event::{Event, EventStream};
pub use execution::{Execution, ExecutionEvent, InputRequest};
pub use fingerprint::Fingerprint;
pub use handle::Handle;
pub use host_backend::PythonHostBackend;
pub use http::backend::HttpBackend;
pub use http::endpoint::Endpoint;
pub use http::login::BrowserLogin;
pub use http::transport::HttpTransport;
pub use key::Key;
#[cfg(feature = "local")]
pub use local::backend::LocalBackend;
#[cfg(feature = "local")]
pub use local::options::{LocalOptions, LocalPython};
#[cfg(feature = "local")]
pub use local::transport::LocalTransport;
pub use pipe::backend::PipeBackend;
pub use pipe::endpoint::PipeEndpoint;
pub use pipe::transport::PipeTransport;
pub use response::{FromResponse, Response, Returned};
#[cfg(feature = "rpc")]
pub use rpc::backend::RpcBackend;
#[cfg(feature = "rpc")]
pub use rpc::transport::RpcTransport;
pub use session_events::{SessionEvent, SessionEvents};
pub use transport::Transport;
pub use value_stream::ValueStream;

/// The Rust of the documents compiles.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/clients/rust.md")]
    mod rust {}
    #[doc = include_str!("../../../docs/data.md")]
    mod data {}
}
