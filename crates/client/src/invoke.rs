//! From operations to calls, and from responses to results.

use std::sync::Arc;

use beep_python_protocol::message::CallResponse;
use beep_python_protocol::{CallOptions, HostOperation, Operation};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::body::{decode, decode_json, encode, handle_id, session_call};
use crate::call::{Call, Reply, Target};
use crate::callback_dispatcher::call_with_callbacks;
use crate::client::Client;
use crate::error::Error;
use crate::handle::Handle;
use crate::response::{FromResponse, Response, Returned};
use crate::transport::Transport;

impl<T: Transport> Client<T> {
    /// The options of a call on an object, which goes to the object's session.
    pub(crate) fn options_for(&self, object: &Handle) -> CallOptions {
        CallOptions { session: object.shared_session(), ..self.call_options().clone() }
    }

    /// Calls the host; `session` is the session that the operation is about.
    pub(crate) async fn call_host<R: DeserializeOwned>(
        &self,
        operation: HostOperation,
        request: Option<impl Serialize + Send>,
        session: Option<Arc<str>>,
    ) -> Result<R, Error> {
        let body = request.map_or(Ok(Bytes::new()), |request| encode(&request))?;
        // Nothing of this runs in the client's session, so that one need not exist.
        let options = CallOptions { session, ..self.call_options().clone() };
        decode(&self.transport.call(Call { target: Target::Host(operation), body, options, data: Vec::new() }).await?)
    }

    /// Calls a session.
    pub(crate) async fn call_session(
        &self,
        operation: Operation,
        body: Result<Bytes, Error>,
        options: CallOptions,
    ) -> Result<CallResponse, Error> {
        decode(&call_with_callbacks(self, session_call(operation, body, options)?).await?)
    }

    /// Calls a session, and reads the result as the type that the caller wants.
    pub(crate) async fn invoke<R: FromResponse>(
        &self,
        operation: Operation,
        body: Result<Bytes, Error>,
        options: CallOptions,
    ) -> Result<R, Error> {
        let session = options.session.clone();
        if R::DATA.is_some() {
            return self.fetch_result(operation, body, options).await;
        }
        let response = self.call_session(operation, body, options).await?;
        self.decode_result(response, session)
    }

    /// The same for a type that is data: in one call where the operation has a fetch of its own, else over a handle.
    async fn fetch_result<R: FromResponse>(
        &self,
        operation: Operation,
        body: Result<Bytes, Error>,
        options: CallOptions,
    ) -> Result<R, Error> {
        let (Operation::Evaluate | Operation::Call | Operation::GetAttribute | Operation::Fetch) = operation else {
            let session = options.session.clone();
            let held = self.handle_from(self.call_session(operation, body, options).await?, session)?;
            return Box::pin(self.fetch(&held)).await;
        };
        let reply = call_with_callbacks(self, session_call(Operation::Fetch, body, options)?).await?;
        let Reply::Datum { datum, about } = reply else {
            return Err(Error::malformed("JSON where data were expected"));
        };
        let CallResponse { stdout, stderr, omitted_output_bytes, session_epoch, .. } = decode_json(&about)?;
        R::from_datum(Response { value: datum, stdout, stderr, omitted_output_bytes, session_epoch })
    }

    /// A result as the type that the caller wants.
    pub(crate) fn decode_result<R: FromResponse>(
        &self,
        mut response: CallResponse,
        session: Option<Arc<str>>,
    ) -> Result<R, Error> {
        let stdout = std::mem::take(&mut response.stdout);
        let stderr = std::mem::take(&mut response.stderr);
        let CallResponse { session_epoch, omitted_output_bytes, .. } = response;
        let value = match response.is_handle {
            true => Returned::Handle(self.handle_from(response, session)?),
            false => Returned::Value(response.value),
        };
        R::from_response(Response { value, stdout, stderr, omitted_output_bytes, session_epoch })
    }

    /// The object that a response must have, which is released when its handle is dropped.
    pub(crate) fn handle_from(&self, mut response: CallResponse, session: Option<Arc<str>>) -> Result<Handle, Error> {
        let id = handle_id(&mut response)?;
        Ok(Handle::new(id, response, session, self.state.reaper.sender(&self.transport)))
    }
}
