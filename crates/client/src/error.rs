//! Errors of calls.

use std::fmt;
use std::io;
use std::path::PathBuf;

use beep_python_protocol::{ErrorCode, Problem, PythonException, ValueError};
use serde::Deserialize;

/// The error of a call. The format `{:#}` writes a Python exception with its traceback.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Python code raised an exception. The host carried out the call.
    #[error(fmt = write_exception)]
    Python(Box<PythonError>),
    /// The host did not carry out the call.
    #[error("{0}")]
    Host(Box<Problem>),
    /// The text is not an endpoint, or one that this program cannot use.
    #[error("`{endpoint}` is not an endpoint: {reason}")]
    Endpoint {
        /// The text.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection could be made.
    #[error("cannot connect to {endpoint}")]
    Connect {
        /// The endpoint.
        endpoint: String,
        /// The system's error.
        source: io::Error,
    },
    /// The server may not have what would be sent: a token, or over a pipe anything. Nothing was sent.
    #[error("nothing was sent to {endpoint}: {reason}")]
    UntrustedServer {
        /// The endpoint.
        endpoint: String,
        /// Whose it is, as far as that is known.
        reason: String,
    },
    /// The connection broke before the whole response had arrived. The client never repeats a call.
    #[error("the connection to {endpoint} was lost{}", if *may_have_run { "; the call may have run" } else { " before the call was sent" })]
    ConnectionLost {
        /// The endpoint.
        endpoint: String,
        /// False only if nothing of the request was sent.
        may_have_run: bool,
        /// The connection's error.
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
    /// A file or folder of server records, or the file of a token, cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The result cannot be read as the type that the caller wants.
    #[error("the result, a Python {found}, cannot be read as {wanted}")]
    Decode {
        /// The Rust type.
        wanted: &'static str,
        /// The Python type.
        found: &'static str,
        /// What is wrong.
        source: ValueError,
    },
    /// An argument has no value form.
    #[error("{what} cannot be written as a Python value")]
    Encode {
        /// Which argument.
        what: String,
        /// What is wrong.
        source: ValueError,
    },
    /// The result is an object without a value form, and the caller wants a value. The object has been released.
    #[error("the result is an object of type {type_name}, which has no value form{}", repr.as_ref().map(|repr| format!(": {repr}")).unwrap_or_default())]
    UnexpectedHandle {
        /// The type of the object.
        type_name: String,
        /// Its `repr`, if it is known.
        repr: Option<String>,
    },
    /// The caller wants a handle, and the host sent a value.
    #[error("a handle was asked for, and the result is a plain {found}")]
    ExpectedHandle {
        /// The Python type of the value.
        found: &'static str,
    },
}

/// An exception that Python code raised, with what the call had printed by then.
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
    /// The error of a host's problem. For transports.
    pub fn from_problem(problem: Problem) -> Error {
        match problem.exception {
            Some(exception) if problem.code == ErrorCode::PythonException => Error::Python(Box::new(PythonError {
                exception: *exception,
                stdout: problem.stdout,
                stderr: problem.stderr,
                session_epoch: problem.session_epoch,
            })),
            exception => Error::Host(Box::new(Problem { exception, ..problem })),
        }
    }

    /// The error of a response's body, which need not be a problem of ours. For transports.
    pub fn from_body(status: u16, body: &[u8]) -> Error {
        /// What the problems of newer hosts, and of other programs, have in common.
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

    /// The same error, with the output that came as events.
    pub(crate) fn with_output(mut self, stdout: String, stderr: String) -> Error {
        match &mut self {
            Error::Python(error) => (error.stdout, error.stderr) = (stdout, stderr),
            Error::Host(problem) => (problem.stdout, problem.stderr) = (stdout, stderr),
            _ => {}
        }
        self
    }

    /// The host's code, if it sent one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Python(_) => Some(ErrorCode::PythonException),
            Error::Host(problem) => Some(problem.code),
            _ => None,
        }
    }

    /// The exception, if Python raised one.
    pub fn exception(&self) -> Option<&PythonException> {
        match self {
            Error::Python(error) => Some(&error.exception),
            Error::Host(problem) => problem.exception.as_deref(),
            _ => None,
        }
    }

    /// What the call wrote to standard output and standard error before it failed, if the host said.
    pub fn output(&self) -> Option<(&str, &str)> {
        match self {
            Error::Python(error) => Some((&error.stdout, &error.stderr)),
            Error::Host(problem) => Some((&problem.stdout, &problem.stderr)),
            _ => None,
        }
    }
}
