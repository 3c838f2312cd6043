//! Beep Python Runtime as a library: runtimes, environments, workers and sessions.
//!
//! No network server and no command line live here. The rooms build on each other downwards only:
//! [`session`] → `worker` (private) → [`environment`] → [`interpreter`] → [`platform`].

pub mod cache;
pub mod environment;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod interpreter;
pub mod platform;
pub mod session;
mod worker;
