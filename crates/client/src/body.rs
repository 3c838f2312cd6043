//! Requests and responses as JSON.

use beep_python_protocol::message::CallResponse;
use beep_python_protocol::{CallOptions, Operation, Value, ValueError, to_value};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::{Call, Reply, Target};
use crate::error::Error;

/// The request of an operation that has none.
pub(crate) const NO_REQUEST: Option<Empty> = None;

/// A request without keys.
#[derive(Serialize)]
pub(crate) struct Empty {}

pub(crate) fn to_argument(what: &str, value: &impl Serialize) -> Result<Value, Error> {
    to_value(value).map_err(|source| Error::Encode { what: what.to_owned(), source })
}

pub(crate) fn encode(request: &impl Serialize) -> Result<Bytes, Error> {
    let failed = |error: serde_json::Error| Error::Encode {
        what: "the request".to_owned(),
        source: ValueError::Mismatch(error.to_string()),
    };
    serde_json::to_vec(request).map(Bytes::from).map_err(failed)
}

pub(crate) fn decode<R: DeserializeOwned>(reply: &Reply) -> Result<R, Error> {
    match reply {
        Reply::Json(body) => decode_json(body),
        Reply::Floats { .. } | Reply::FloatRows(_) | Reply::Datum { .. } => {
            Err(Error::malformed("binary data where JSON was expected"))
        }
    }
}

pub(crate) fn decode_json<R: DeserializeOwned>(body: &Bytes) -> Result<R, Error> {
    serde_json::from_slice(body).map_err(|error| Error::unreadable(body, &error))
}

pub(crate) fn session_call(
    operation: Operation,
    body: Result<Bytes, Error>,
    options: CallOptions,
) -> Result<Call, Error> {
    Ok(Call { target: Target::Session(operation), body: body?, options, data: Vec::new() })
}

pub(crate) fn handle_id(response: &mut CallResponse) -> Result<String, Error> {
    response.handle_id.take().ok_or_else(|| Error::malformed("the response has no `handleId`"))
}
