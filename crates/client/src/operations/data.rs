//! Large data: into a session, and out of it.

use std::future::Future;

use beep_python_protocol::Operation;
use beep_python_protocol::message::{FetchRequest, PutRequest};

use crate::body::{decode, encode, session_call};
use crate::client::Client;
use crate::data::Datum;
use crate::error::Error;
use crate::handle::Handle;
use crate::response::FromResponse;
use crate::transport::Transport;

impl<T: Transport> Client<T> {
    /// Keeps an [`Array`](crate::Array), a [`Table`](crate::Table) or [`Bytes`](crate::Bytes) in the session, as a numpy
    /// array, a pyarrow Table or `bytes`. Without numpy an array is a `memoryview`.
    pub fn put(&self, data: impl Into<Datum>) -> impl Future<Output = Result<Handle, Error>> + Send {
        let data = data.into();
        async move {
            let options = self.call_options().clone();
            let session = options.session.clone();
            let mut call = session_call(Operation::Put, encode(&PutRequest::default()), options)?;
            call.data = vec![data];
            self.handle_from(decode(&self.transport.call(call).await?)?, session)
        }
    }

    /// Keeps an array, a table or bytes in the session under a name.
    pub fn put_as(&self, name: &str, data: impl Into<Datum>) -> impl Future<Output = Result<(), Error>> + Send {
        let (data, body) = (data.into(), encode(&PutRequest { name: Some(name) }));
        async move {
            let mut call = session_call(Operation::Put, body, self.call_options().clone())?;
            call.data = vec![data];
            self.transport.call(call).await.map(drop)
        }
    }

    /// Brings an object: as an [`Array`](crate::Array), a [`Table`](crate::Table) or [`Bytes`](crate::Bytes).
    pub fn fetch<R: FromResponse>(&self, object: &Handle) -> impl Future<Output = Result<R, Error>> + Send {
        let body = encode(&FetchRequest { handle_id: Some(object.id()), kind: R::DATA, ..FetchRequest::default() });
        self.invoke(Operation::Fetch, body, self.options_for(object))
    }
}
