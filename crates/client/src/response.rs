//! Responses, and the types that a caller can read from them.

use std::any::type_name;

use beep_python_protocol::message::{RETURN_HANDLE, RETURN_JSON};
use beep_python_protocol::{DataKind, Value, ValueError, from_value};
use serde::de::DeserializeOwned;

use crate::data::Datum;
use crate::error::Error;
use crate::handle::Handle;

/// A result, with what the call printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Response<T> {
    /// The result.
    pub value: T,
    /// What the call wrote to standard output.
    pub stdout: String,
    /// What the call wrote to standard error.
    pub stderr: String,
    /// How many bytes of the output were left out, since they were more than the call may keep.
    pub omitted_output_bytes: u64,
    /// The session's epoch: 1 at first, one more after each restart. A restart loses the session's names and objects.
    pub session_epoch: Option<u64>,
}

/// A result of either kind.
#[derive(Clone, Debug)]
pub enum Returned {
    /// A value.
    Value(Value),
    /// An object without a value form, which stays in the session.
    Handle(Handle),
}

impl Returned {
    /// The error of a result that is no data.
    pub(crate) fn expected_data(self, wanted: &'static str) -> Error {
        let (found, what) = match self {
            Returned::Value(value) => (value.type_name(), "the host sent a value".to_owned()),
            Returned::Handle(handle) => ("object", format!("the host sent a handle of {}", handle.type_name())),
        };
        Error::Decode { wanted, found, source: ValueError::Mismatch(what) }
    }
}

/// A type that a call can return: any that serde can deserialize, [`Handle`], [`Returned`], or [`Response`] around one of
/// these.
pub trait FromResponse: Sized {
    /// The `returnType` of the request: what the host should make of the result. `None`: a value if it has that form, else
    /// a handle.
    const RETURN_TYPE: Option<&'static str>;

    /// Of a type that is data: the kind, in which the host sends them beside JSON.
    const DATA: Option<DataKind> = None;

    /// Reads itself from a response.
    ///
    /// # Errors
    /// [`Error::Decode`], [`Error::UnexpectedHandle`] or [`Error::ExpectedHandle`] when the result is of another kind.
    fn from_response(response: Response<Returned>) -> Result<Self, Error>;

    /// Reads itself from data, where [`DATA`](Self::DATA) asks for them.
    ///
    /// # Errors
    /// [`Error::Decode`] when the data are of another kind.
    fn from_datum(response: Response<Datum>) -> Result<Self, Error> {
        Err(response.value.mismatch(type_name::<Self>(), "it came as data"))
    }
}

impl<T: DeserializeOwned> FromResponse for T {
    const RETURN_TYPE: Option<&'static str> = Some(RETURN_JSON);

    fn from_response(response: Response<Returned>) -> Result<T, Error> {
        match response.value {
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
    const RETURN_TYPE: Option<&'static str> = Some(RETURN_HANDLE);

    fn from_response(response: Response<Returned>) -> Result<Handle, Error> {
        match response.value {
            Returned::Handle(handle) => Ok(handle),
            Returned::Value(value) => Err(Error::ExpectedHandle { found: value.type_name() }),
        }
    }
}

impl FromResponse for Returned {
    const RETURN_TYPE: Option<&'static str> = None;

    fn from_response(response: Response<Returned>) -> Result<Returned, Error> {
        Ok(response.value)
    }
}

impl<T: FromResponse> FromResponse for Response<T> {
    const RETURN_TYPE: Option<&'static str> = T::RETURN_TYPE;
    const DATA: Option<DataKind> = T::DATA;

    fn from_response(mut response: Response<Returned>) -> Result<Response<T>, Error> {
        let (stdout, stderr) = (std::mem::take(&mut response.stdout), std::mem::take(&mut response.stderr));
        let Response { session_epoch, omitted_output_bytes, .. } = response;
        Ok(Response { value: T::from_response(response)?, stdout, stderr, omitted_output_bytes, session_epoch })
    }

    fn from_datum(mut response: Response<Datum>) -> Result<Response<T>, Error> {
        let (stdout, stderr) = (std::mem::take(&mut response.stdout), std::mem::take(&mut response.stderr));
        let Response { session_epoch, omitted_output_bytes, .. } = response;
        Ok(Response { value: T::from_datum(response)?, stdout, stderr, omitted_output_bytes, session_epoch })
    }
}
