//! Why a server was not started.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use beep_python_runtime::platform::{FileError, HomeError};

use crate::launch::listen::BindError;
use crate::launch::record::RecordError;
use crate::unix_socket::error::PipeError;

/// Why a server was not started. Nothing of it is left: no process, no record.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The plan has no backend.
    #[error("a server needs a backend: HTTP, pipe or RPC")]
    NoBackend,
    /// Its sockets cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its pipe cannot be made.
    #[error(transparent)]
    Pipe(#[from] PipeError),
    /// Its sockets cannot be shared with it.
    #[error("the sockets of the server cannot be shared with it")]
    Sockets {
        /// Why.
        source: io::Error,
    },
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its log cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Records cannot be worked with.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Its folder is not there.
    #[error("the server cannot start in the folder {}", path.display())]
    Directory {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its process cannot be started.
    #[error("cannot run {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It reported why it cannot start.
    #[error("the server could not start")]
    Failed(#[source] RemoteError),
    /// It ended without a report.
    #[error("the server ended before it was ready ({status}){}", last_lines(log_tail))]
    Died {
        /// How.
        status: ExitStatus,
        /// The end of its log.
        log_tail: String,
    },
    /// It was not ready in time and was killed.
    #[error("the server was not ready after {} and was killed{}", seconds(waited), last_lines(log_tail))]
    TimedOut {
        /// How long it had.
        waited: Duration,
        /// The end of its log.
        log_tail: String,
    },
    /// Its report cannot be understood.
    #[error("the server said {said:?} when it should have said that it is ready")]
    Misunderstood {
        /// What it said.
        said: String,
        /// Why that is not understood.
        source: serde_json::Error,
    },
}

/// An error that another process reported.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RemoteError {
    /// What failed.
    pub message: String,
    /// Why.
    pub source: Option<Box<RemoteError>>,
}

impl RemoteError {
    pub(super) fn chain(message: String, causes: Vec<String>) -> RemoteError {
        let source =
            causes.into_iter().rev().fold(None, |source, message| Some(Box::new(RemoteError { message, source })));
        RemoteError { message, source }
    }
}

fn last_lines(log_tail: &str) -> String {
    if log_tail.is_empty() { String::new() } else { format!("; the last lines of its log:\n{log_tail}") }
}

fn seconds(duration: &Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
