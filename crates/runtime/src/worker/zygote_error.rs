//! Why a zygote or a worker could not be started.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use beep_python_protocol::Problem;

use crate::worker::package::PackageError;

/// Why a zygote or a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ZygoteError {
    /// The Python side could not be unpacked.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The interpreter could not be run.
    #[error("cannot start {}", python.display())]
    Spawn {
        /// The interpreter.
        python: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The interpreter ended during start-up.
    #[error("{} ended during start-up ({status}); {}", python.display(), wrote(stderr))]
    StartFailed {
        /// The interpreter.
        python: PathBuf,
        /// Its exit status.
        status: String,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// The interpreter was not ready in time.
    #[error("{} was not ready within {within:?}; {}", python.display(), wrote(stderr))]
    StartTimeout {
        /// The interpreter.
        python: PathBuf,
        /// The time it had.
        within: Duration,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// A system call on the control socket or a pipe failed.
    #[error("cannot communicate with the zygote: {what} failed")]
    Channel {
        /// The attempted step.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The zygote ended.
    #[error("the zygote ended before it forked a worker")]
    Exited,
    /// The zygote could not fork.
    #[error("the zygote cannot fork: {0}")]
    Fork(String),
    /// The environment holds something else by now: this path has changed.
    #[error("{0} has changed since the zygote started")]
    Outdated(String),
    /// The worker was not ready in time.
    #[error("the worker was not ready within {0:?}")]
    WorkerTimeout(Duration),
    /// The code that sets the session up failed.
    #[error("the session cannot be set up: {}", .0.detail)]
    Setup(Box<Problem>),
    /// The worker ended before it was ready.
    #[error("the worker ended during start-up; {}", wrote(.0))]
    WorkerExited(String),
}

/// What a process has written, which may be nothing.
fn wrote(stderr: &str) -> String {
    if stderr.is_empty() { "it wrote nothing".into() } else { format!("it wrote: {stderr}") }
}
