//! From operations to calls, and from answers to results.

use std::sync::Arc;

use beep_python_protocol::message::{CallResponse, RETURN_HANDLE};
use beep_python_protocol::{HostOperation, Operation, Value, ValueError, to_value};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::{Call, CallOptions, Reply, Target};
use crate::callback;
use crate::{Error, FromResponse, Handle, PythonHostBackend, Response, Returned};

/// The request of an operation that takes none.
pub(crate) const NO_REQUEST: Option<Nothing> = None;

/// A request that says nothing.
#[derive(Serialize)]
pub(crate) struct Nothing {}

pub(crate) fn return_type<T: FromResponse>() -> Option<&'static str> {
    T::WANTS_HANDLE.then_some(RETURN_HANDLE)
}

/// The backend's options for a call on an object, which is known in its own session only.
pub(crate) fn options_for(backend: &impl PythonHostBackend, object: &Handle) -> CallOptions {
    CallOptions { session: object.shared_session(), ..backend.context().options.clone() }
}

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

pub(crate) fn decode<T: DeserializeOwned>(reply: &Reply) -> Result<T, Error> {
    match reply {
        Reply::Json(body) => serde_json::from_slice(body).map_err(|error| Error::unreadable(body, &error)),
        Reply::Floats { .. } | Reply::FloatRows(_) => {
            Err(Error::Protocol { status: 200, detail: "binary data where JSON was expected".to_owned() })
        }
    }
}

pub(crate) fn session_call(
    operation: Operation,
    body: Result<Bytes, Error>,
    options: CallOptions,
) -> Result<Call, Error> {
    Ok(Call { target: Target::Session(operation), body: body?, options })
}

pub(crate) async fn call_host<B: PythonHostBackend, T: DeserializeOwned>(
    backend: &B,
    operation: HostOperation,
    request: Option<impl Serialize + Send>,
    session: Option<Arc<str>>,
) -> Result<T, Error> {
    let body = request.map_or(Ok(Bytes::new()), |request| encode(&request))?;
    // Nothing of this runs in the session that calls go to, so it need not exist.
    let options = CallOptions { session, ..backend.context().options.clone() };
    decode(&backend.perform(Call { target: Target::Host(operation), body, options }).await?)
}

pub(crate) async fn answer<B: PythonHostBackend>(
    backend: &B,
    operation: Operation,
    body: Result<Bytes, Error>,
    options: CallOptions,
) -> Result<CallResponse, Error> {
    decode(&callback::perform(backend, session_call(operation, body, options)?).await?)
}

pub(crate) fn handle_id(answer: &mut CallResponse) -> Result<String, Error> {
    let missing = || Error::Protocol { status: 200, detail: "the answer has no `handleId`".to_owned() };
    answer.handle_id.take().ok_or_else(missing)
}

/// The object in an answer that must have one, to be released when it is dropped.
pub(crate) fn held<B: PythonHostBackend>(
    backend: &B,
    mut answer: CallResponse,
    session: Option<Arc<str>>,
) -> Result<Handle, Error> {
    let id = handle_id(&mut answer)?;
    Ok(Handle::new(id, answer, session, backend.context().reaper.reaper(backend)))
}

pub(crate) async fn result<B: PythonHostBackend, T: FromResponse>(
    backend: &B,
    operation: Operation,
    body: Result<Bytes, Error>,
    options: CallOptions,
) -> Result<T, Error> {
    let session = options.session.clone();
    returned_from(backend, answer(backend, operation, body, options).await?, session)
}

/// What a caller makes of an answer, as its JSON says it.
pub(crate) fn returned<B: PythonHostBackend, T: FromResponse>(
    backend: &B,
    answer: &Bytes,
    session: Option<Arc<str>>,
) -> Result<T, Error> {
    returned_from(backend, decode(&Reply::Json(answer.clone()))?, session)
}

/// The same, of an answer that was read.
pub(crate) fn returned_from<B: PythonHostBackend, T: FromResponse>(
    backend: &B,
    mut answer: CallResponse,
    session: Option<Arc<str>>,
) -> Result<T, Error> {
    let stdout = std::mem::take(&mut answer.stdout);
    let stderr = std::mem::take(&mut answer.stderr);
    let session_epoch = answer.session_epoch;
    let value = match answer.is_handle {
        true => Returned::Handle(held(backend, answer, session)?),
        false => Returned::Value(answer.value),
    };
    T::from_response(Response { value, stdout, stderr, session_epoch })
}
