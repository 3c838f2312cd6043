//! Why a call failed.

use std::fmt;
use std::io;
use std::path::PathBuf;

use beep_python_protocol::{ErrorCode, Problem, PythonException, ValueError};
use serde::Deserialize;

/// Why a call failed. `{:#}` writes a Python exception with its traceback.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Python code raised an exception; the host did what it was asked to.
    #[error(fmt = write_exception)]
    Python(Box<PythonError>),
    /// The host did not do what it was asked to.
    #[error("{0}")]
    Host(Box<Problem>),
    /// The endpoint cannot be used as it is written.
    #[error("`{endpoint}` is no endpoint: {reason}")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection could be made.
    #[error("cannot connect to {endpoint}")]
    Connect {
        /// The host.
        endpoint: String,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke before the whole answer was there. Calls are never repeated by themselves.
    #[error("the connection to {endpoint} was lost{}", if *may_have_run { "; the call may have run" } else { " before the call was sent" })]
    ConnectionLost {
        /// The host.
        endpoint: String,
        /// False only when nothing of the request had been sent.
        may_have_run: bool,
        /// What the connection said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The response does not follow our protocol, or a newer version of it.
    #[error("unexpected response (status {status}): {detail}")]
    Protocol {
        /// The status; 200 for a response that claimed success.
        status: u16,
        /// What is wrong with the response, or its beginning.
        detail: String,
    },
    /// The transport cannot do this.
    #[error("this backend does not support {what}")]
    Unsupported {
        /// What was wanted.
        what: &'static str,
    },
    /// A callback was called with another argument than it wants.
    #[error("argument {position}{}", reason.as_ref().map_or(" is missing".to_owned(), |reason| format!(": {reason}")))]
    CallbackArgument {
        /// Which argument, counted from 1.
        position: usize,
        /// Why the argument cannot be read; `None` when it is missing.
        reason: Option<ValueError>,
    },
    /// A file or folder that tells of servers cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The result is no value of the type that was asked for.
    #[error("the result, a Python {found}, cannot be read as {wanted}")]
    Decode {
        /// The Rust type.
        wanted: &'static str,
        /// The Python type.
        found: &'static str,
        /// Why.
        source: ValueError,
    },
    /// An argument cannot be written.
    #[error("{what} cannot be written as a Python value")]
    Encode {
        /// Which argument.
        what: String,
        /// Why.
        source: ValueError,
    },
    /// A value was asked for, and the result is an object that cannot be sent as one. It has been released.
    #[error("the result is an object of type {type_name}, which has no value form{}", repr.as_ref().map(|repr| format!(": {repr}")).unwrap_or_default())]
    UnexpectedHandle {
        /// The type of the object.
        type_name: String,
        /// Its `repr`, where it is known.
        repr: Option<String>,
    },
    /// A handle was asked for, and the host sent a value.
    #[error("a handle was asked for, and the result is a plain {found}")]
    ExpectedHandle {
        /// The Python type of the value.
        found: &'static str,
    },
}

/// An exception that Python code raised, and what it had printed by then.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PythonError {
    /// The exception.
    pub exception: PythonException,
    /// What the call wrote to standard output.
    pub stdout: String,
    /// What the call wrote to standard error.
    pub stderr: String,
    /// The session's epoch.
    pub session_epoch: Option<u64>,
}

fn write_exception(error: &PythonError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Display::fmt(&error.exception, f)
}

impl Error {
    /// The error that a host's problem stands for. For backends.
    pub fn from_problem(problem: Problem) -> Error {
        match problem.exception {
            Some(exception) if problem.code == ErrorCode::PythonException => Error::Python(Box::new(PythonError {
                exception,
                stdout: problem.stdout,
                stderr: problem.stderr,
                session_epoch: problem.session_epoch,
            })),
            exception => Error::Host(Box::new(Problem { exception, ..problem })),
        }
    }

    /// The error that an error body stands for, also when it is none of ours. For backends.
    pub fn from_body(status: u16, body: &[u8]) -> Error {
        /// What a problem of a newer host, or of someone else's, has at least.
        #[derive(Deserialize)]
        struct Foreign {
            code: Option<String>,
            detail: Option<String>,
            title: Option<String>,
        }

        if let Ok(problem) = serde_json::from_slice(body) {
            return Error::from_problem(problem);
        }
        let detail = match serde_json::from_slice(body) {
            Ok(Foreign { code: Some(code), detail: Some(detail), .. }) => format!("{code}: {detail}"),
            Ok(Foreign { detail: Some(detail), .. }) | Ok(Foreign { title: Some(detail), .. }) => detail,
            _ => String::from_utf8_lossy(body).chars().take(200).collect(),
        };
        Error::Protocol { status, detail }
    }

    /// A response that claimed success, but does not follow the protocol.
    pub(crate) fn malformed(detail: impl Into<String>) -> Error {
        Error::Protocol { status: 200, detail: detail.into() }
    }

    pub(crate) fn unreadable(body: &[u8], error: &serde_json::Error) -> Error {
        let beginning: String = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        Error::malformed(format!("{error}; it begins with `{beginning}`"))
    }

    /// The same, with what the call wrote where it was followed.
    pub(crate) fn with_output(mut self, stdout: String, stderr: String) -> Error {
        match &mut self {
            Error::Python(error) => (error.stdout, error.stderr) = (stdout, stderr),
            Error::Host(problem) => (problem.stdout, problem.stderr) = (stdout, stderr),
            _ => {}
        }
        self
    }

    /// The host's code, where it sent one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Python(_) => Some(ErrorCode::PythonException),
            Error::Host(problem) => Some(problem.code),
            _ => None,
        }
    }

    /// The exception, where Python raised one.
    pub fn exception(&self) -> Option<&PythonException> {
        match self {
            Error::Python(error) => Some(&error.exception),
            Error::Host(problem) => problem.exception.as_ref(),
            _ => None,
        }
    }

    /// What the call wrote to standard output and standard error before it failed, where the host said.
    pub fn output(&self) -> Option<(&str, &str)> {
        match self {
            Error::Python(error) => Some((&error.stdout, &error.stderr)),
            Error::Host(problem) => Some((&problem.stdout, &problem.stderr)),
            _ => None,
        }
    }
}
