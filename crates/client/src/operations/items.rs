//! The items of an object, and the object itself as a callable, without code.

use std::future::Future;

use beep_python_protocol::Operation;
use beep_python_protocol::message::{
    ContainsRequest, HandleRequest, InvokeRequest, ItemRequest, SetItemRequest, ValueRequest,
};
use bytes::Bytes;
use serde::Serialize;

use crate::args::Args;
use crate::body::{encode, session_call, to_argument};
use crate::client::Client;
use crate::error::Error;
use crate::handle::Handle;
use crate::key::Key;
use crate::response::FromResponse;
use crate::transport::Transport;

impl<T: Transport> Client<T> {
    /// Reads an item: `object[key]`. A [`Key`] can be a slice.
    pub fn get_item<R: FromResponse>(
        &self,
        object: &Handle,
        key: impl Into<Key>,
    ) -> impl Future<Output = Result<R, Error>> + Send {
        let body = encode(&ItemRequest {
            handle_id: object.id(),
            key: &key.into().0,
            return_type: R::RETURN_TYPE,
            repr: self.state.reprs,
        });
        self.invoke(Operation::GetItem, body, self.options_for(object))
    }

    /// Sets an item: `object[key] = value`.
    pub fn set_item(
        &self,
        object: &Handle,
        key: impl Into<Key>,
        value: impl Serialize,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let body = to_argument("the item", &value)
            .and_then(|value| encode(&SetItemRequest { handle_id: object.id(), key: &key.into().0, value: &value }));
        self.done(Operation::SetItem, body, object)
    }

    /// Deletes an item: `del object[key]`.
    pub fn delete_item(&self, object: &Handle, key: impl Into<Key>) -> impl Future<Output = Result<(), Error>> + Send {
        let body = encode(&ItemRequest { handle_id: object.id(), key: &key.into().0, return_type: None, repr: false });
        self.done(Operation::DeleteItem, body, object)
    }

    /// The length of an object: `len(object)`.
    pub async fn length(&self, object: &Handle) -> Result<u64, Error> {
        let body = encode(&HandleRequest { handle_id: object.id() });
        self.invoke(Operation::Length, body, self.options_for(object)).await
    }

    /// Whether an object contains an item: `item in object`.
    pub fn contains(&self, object: &Handle, item: impl Serialize) -> impl Future<Output = Result<bool, Error>> + Send {
        let body = to_argument("the item", &item)
            .and_then(|item| encode(&ContainsRequest { handle_id: object.id(), item: &item }));
        self.invoke(Operation::Contains, body, self.options_for(object))
    }

    /// Calls an object itself: a function, a class, or an instance with `__call__`.
    pub fn call_object<R: FromResponse>(
        &self,
        object: &Handle,
        args: impl Into<Args>,
    ) -> impl Future<Output = Result<R, Error>> + Send {
        let body = args.into().into_values().and_then(|(args, kwargs)| {
            encode(&InvokeRequest {
                handle_id: object.id(),
                args: &args,
                kwargs: &kwargs,
                return_type: R::RETURN_TYPE,
                repr: self.state.reprs,
            })
        });
        self.invoke(Operation::Invoke, body, self.options_for(object))
    }

    /// The names of an object's attributes: `dir(object)`.
    pub async fn attribute_names(&self, object: &Handle) -> Result<Vec<String>, Error> {
        let body = encode(&HandleRequest { handle_id: object.id() });
        self.invoke(Operation::Dir, body, self.options_for(object)).await
    }

    /// What can be known of an object without calling it: `typeName`, `doc`, `signature`, JSON Schemas of its `parameters`
    /// and `result` from its hints, as PROTOCOL.md says.
    pub async fn describe(&self, object: &Handle) -> Result<serde_json::Value, Error> {
        let body = encode(&HandleRequest { handle_id: object.id() });
        let call = session_call(Operation::Describe, body, self.options_for(object));
        crate::body::decode(&self.transport.call(call?).await?)
    }

    /// An object as a value. An array or a table becomes one, too.
    pub async fn value<R: FromResponse>(&self, object: &Handle) -> Result<R, Error> {
        let body = encode(&ValueRequest { handle_id: object.id(), return_type: R::RETURN_TYPE, repr: false });
        self.invoke(Operation::Value, body, self.options_for(object)).await
    }

    /// Awaits a coroutine, a Task, a Future or another awaitable object, and returns its result.
    pub async fn await_object<R: FromResponse>(&self, object: &Handle) -> Result<R, Error> {
        let (return_type, repr) = (R::RETURN_TYPE, self.state.reprs);
        let body = encode(&ValueRequest { handle_id: object.id(), return_type, repr });
        self.invoke(Operation::Await, body, self.options_for(object)).await
    }

    fn done(
        &self,
        operation: Operation,
        body: Result<Bytes, Error>,
        object: &Handle,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<'_, T> {
        let call = session_call(operation, body, self.options_for(object));
        async move { self.transport.call(call?).await.map(drop) }
    }
}
