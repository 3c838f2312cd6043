//! What the caller makes of an answer.

use std::any::type_name;

use beep_python_protocol::{Value, from_value};
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::handle::Handle;

/// A result together with what the call printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Response<T> {
    /// The result.
    pub value: T,
    /// What the call wrote to standard output.
    pub stdout: String,
    /// What the call wrote to standard error.
    pub stderr: String,
    /// The session's epoch: 1 at first, one more after each restart, in which it lost all that it held.
    pub session_epoch: Option<u64>,
}

/// A result of either kind.
#[derive(Clone, Debug)]
pub enum Returned {
    /// It was sent.
    Value(Value),
    /// It cannot be sent as a value, and stays in the session.
    Handle(Handle),
}

/// What can be asked of a call: any type that serde can read, [`Handle`], [`Returned`], or [`Response`] around one of these.
pub trait FromResponse: Sized {
    /// Whether the host is to keep the result even where it could send it.
    const WANTS_HANDLE: bool = false;

    /// Takes what it wants from the answer.
    ///
    /// # Errors
    /// [`Error::Decode`], [`Error::UnexpectedHandle`] or [`Error::ExpectedHandle`] when the result is of another kind.
    fn from_response(answer: Response<Returned>) -> Result<Self, Error>;
}

impl<T: DeserializeOwned> FromResponse for T {
    fn from_response(answer: Response<Returned>) -> Result<T, Error> {
        match answer.value {
            Returned::Value(value) => {
                let found = value.type_name();
                from_value(value).map_err(|source| Error::Decode { wanted: type_name::<T>(), found, source })
            }
            Returned::Handle(handle) => Err(Error::UnexpectedHandle {
                type_name: handle.type_name().to_owned(),
                repr: handle.repr().map(str::to_owned),
            }),
        }
    }
}

impl FromResponse for Handle {
    const WANTS_HANDLE: bool = true;

    fn from_response(answer: Response<Returned>) -> Result<Handle, Error> {
        match answer.value {
            Returned::Handle(handle) => Ok(handle),
            Returned::Value(value) => Err(Error::ExpectedHandle { found: value.type_name() }),
        }
    }
}

impl FromResponse for Returned {
    fn from_response(answer: Response<Returned>) -> Result<Returned, Error> {
        Ok(answer.value)
    }
}

impl<T: FromResponse> FromResponse for Response<T> {
    const WANTS_HANDLE: bool = T::WANTS_HANDLE;

    fn from_response(mut answer: Response<Returned>) -> Result<Response<T>, Error> {
        let (stdout, stderr) = (std::mem::take(&mut answer.stdout), std::mem::take(&mut answer.stderr));
        let session_epoch = answer.session_epoch;
        Ok(Response { value: T::from_response(answer)?, stdout, stderr, session_epoch })
    }
}
