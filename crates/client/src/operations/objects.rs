//! Objects that stay in a session.

use std::future::Future;

use beep_python_protocol::Operation;
use beep_python_protocol::message::{
    CallRequest, CreateRequest, GetAttributeRequest, HandleRequest, ModuleAvailableResponse, ModuleRequest,
    SetAttributeRequest, WrapRequest,
};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::args::Args;
use crate::body::{decode, encode, handle_id, session_call, to_argument};
use crate::client::Client;
use crate::error::Error;
use crate::execution::Execution;
use crate::floats;
use crate::handle::Handle;
use crate::handle_reaper::Release;
use crate::response::FromResponse;
use crate::transport::Transport;

impl<T: Transport> Client<T> {
    /// Imports a module. A dotted name returns the innermost module.
    pub async fn import_module(&self, module: &str) -> Result<Handle, Error> {
        let body = encode(&ModuleRequest { module_name: module });
        let mut response = self.call_session(Operation::Import, body, self.call_options().clone()).await?;
        response.type_name.get_or_insert_with(|| "module".to_owned());
        let id = handle_id(&mut response)?;
        // All clients of a session share a module's handle, so none of them releases it.
        Ok(Handle::new(id, response, self.call_options().session.clone(), None))
    }

    /// Calls a class, or any other callable of a module, and keeps what it returns.
    pub fn create_object(
        &self,
        module: &Handle,
        class: &str,
        args: impl Into<Args>,
    ) -> impl Future<Output = Result<Handle, Error>> + Send {
        let body = args.into().into_values().and_then(|(args, kwargs)| {
            encode(&CreateRequest { module_handle_id: module.id(), class_name: class, args: &args, kwargs: &kwargs })
        });
        let options = self.options_for(module);
        async move {
            let session = options.session.clone();
            self.handle_from(self.call_session(Operation::Create, body, options).await?, session)
        }
    }

    /// Calls a method.
    pub fn call_method<R: FromResponse>(
        &self,
        object: &Handle,
        method: &str,
        args: impl Into<Args>,
    ) -> impl Future<Output = Result<R, Error>> + Send {
        let body = self.method_call(object, method, args.into(), R::RETURN_TYPE);
        self.invoke(Operation::Call, body, self.options_for(object))
    }

    /// Calls a method as [`call_method`](Self::call_method) does, and streams its output, what it passes to `display`, and its calls of
    /// `input()`.
    pub fn call_method_streaming(
        &self,
        object: &Handle,
        method: &str,
        args: impl Into<Args>,
    ) -> impl Future<Output = Result<Execution<T>, Error>> + Send {
        let body = self.method_call(object, method, args.into(), None);
        let options = self.options_for(object);
        async move { Execution::begin(self, Operation::Call, body, options).await }
    }

    fn method_call(
        &self,
        object: &Handle,
        method: &str,
        args: Args,
        return_type: Option<&'static str>,
    ) -> Result<Bytes, Error> {
        let (args, kwargs) = args.into_values()?;
        encode(&CallRequest {
            handle_id: object.id(),
            method_name: method,
            args: &args,
            kwargs: &kwargs,
            return_type,
            repr: self.state.reprs,
        })
    }

    /// Reads an attribute.
    pub fn get_attribute<R: FromResponse>(
        &self,
        object: &Handle,
        attribute: &str,
    ) -> impl Future<Output = Result<R, Error>> + Send {
        let body = encode(&GetAttributeRequest {
            handle_id: object.id(),
            attribute_name: attribute,
            return_type: R::RETURN_TYPE,
            repr: self.state.reprs,
        });
        self.invoke(Operation::GetAttribute, body, self.options_for(object))
    }

    /// Sets an attribute.
    pub fn set_attribute(
        &self,
        object: &Handle,
        attribute: &str,
        value: impl Serialize,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let body = to_argument("the attribute's value", &value).and_then(|value| {
            encode(&SetAttributeRequest { handle_id: object.id(), attribute_name: attribute, value: &value })
        });
        let call = session_call(Operation::SetAttribute, body, self.options_for(object));
        async move { self.transport.call(call?).await.map(drop) }
    }

    /// Reads an object as 32-bit floats: anything with a buffer, or with items that `float` accepts. An array of more
    /// than one dimension comes row after row.
    pub async fn to_float_array(&self, object: &Handle) -> Result<Vec<f32>, Error> {
        let body = encode(&HandleRequest { handle_id: object.id() });
        let call = session_call(Operation::ToFloatArray, body, self.options_for(object));
        floats::array(self.transport.call(call?).await?)
    }

    /// Reads an object as rows of 32-bit floats. The rows of a nested list may differ in length.
    pub async fn to_float_array_2d(&self, object: &Handle) -> Result<Vec<Vec<f32>>, Error> {
        let body = encode(&HandleRequest { handle_id: object.id() });
        let call = session_call(Operation::ToFloatArray2D, body, self.options_for(object));
        floats::array_2d(self.transport.call(call?).await?)
    }

    /// Checks whether a module can be found, without importing it.
    pub async fn is_module_available(&self, module: &str) -> Result<bool, Error> {
        let body = encode(&ModuleRequest { module_name: module });
        let call = session_call(Operation::ModuleAvailable, body, self.call_options().clone());
        Ok(decode::<ModuleAvailableResponse>(&self.transport.call(call?).await?)?.available)
    }

    /// Keeps a value in the session.
    pub fn wrap_value(&self, value: impl Serialize) -> impl Future<Output = Result<Handle, Error>> + Send {
        let body = to_argument("the value", &value).and_then(|value| encode(&WrapRequest { value: &value }));
        async move {
            let options = self.call_options().clone();
            let session = options.session.clone();
            self.handle_from(self.call_session(Operation::Wrap, body, options).await?, session)
        }
    }

    /// Releases an object now. Other clones of the handle are invalid from then on.
    pub async fn dispose_handle(&self, object: Handle) -> Result<(), Error> {
        let body = encode(&HandleRequest { handle_id: object.id() });
        let call = session_call(Operation::Dispose, body, self.options_for(&object));
        self.transport.call(call?).await?;
        object.mark_disposed();
        Ok(())
    }

    /// Renews the lease of a handle.
    pub async fn renew_handle(&self, object: &Handle) -> Result<(), Error> {
        let body = encode(&HandleRequest { handle_id: object.id() });
        let call = session_call(Operation::Renew, body, self.options_for(object));
        self.transport.call(call?).await.map(drop)
    }

    /// Waits until the handles that were made in this tokio runtime and dropped so far are released. Without it, the
    /// handles that a program drops last may live as long as their session.
    pub async fn release_dropped(&self) {
        let (done, released) = oneshot::channel();
        if let Some(reaper) = self.state.reaper.current()
            && reaper.send(Release::Flush(done)).is_ok()
        {
            let _ = released.await;
        }
    }
}
