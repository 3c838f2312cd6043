//! Callbacks: functions of this program that Python code calls.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use beep_python_protocol::{Value, from_value, to_value};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use crate::error::Error;

/// An argument that stands for the callback of this name. Python code gets a function in its place.
///
/// [`with_callback`](crate::Client::with_callback) registers callbacks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Callback(pub String);

impl Serialize for Callback {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::Callback(self.0.clone()).serialize(serializer)
    }
}

/// One call of a callback.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallbackCall {
    /// Positional arguments. An object that has no value form is `None`.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Vec<(String, Value)>,
    /// Lets calls run while Python waits for this callback: [`nested_in`](crate::Client::nested_in). `None` where the
    /// session's main thread does not wait.
    pub reentry_token: Option<Arc<str>>,
}

impl CallbackCall {
    /// A positional argument, counted from 0, as a type that serde can read.
    ///
    /// # Errors
    /// [`Error::CallbackArgument`] when the argument is missing or of another type.
    pub fn arg<T: DeserializeOwned>(&self, index: usize) -> Result<T, Error> {
        let failed = |source| Error::CallbackArgument { position: index + 1, reason: source };
        let value = self.args.get(index).ok_or_else(|| failed(None))?;
        from_value(value.clone()).map_err(|error| failed(Some(error)))
    }
}

/// The error of a callback: of any type, as long as it has a text for Python.
pub(crate) type CallbackError = Box<dyn StdError + Send + Sync>;

pub(crate) type Function = Arc<dyn Fn(CallbackCall) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// The callbacks of a client, by name.
#[derive(Clone, Default)]
pub(crate) struct Callbacks(Arc<HashMap<String, Function>>);

impl Callbacks {
    pub(crate) fn with<F, R, E>(
        &self,
        name: &str,
        function: impl Fn(CallbackCall) -> F + Send + Sync + 'static,
    ) -> Callbacks
    where
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Serialize + Send + 'static,
        E: Into<CallbackError> + 'static,
    {
        let mut all = (*self.0).clone();
        let function: Function = Arc::new(move |call| {
            let returned = function(call);
            async move {
                let returned = returned.await.map_err(|error| error.into().to_string())?;
                to_value(&returned).map_err(|error| error.to_string())
            }
            .boxed()
        });
        all.insert(name.to_owned(), function);
        Callbacks(Arc::new(all))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Function> {
        self.0.get(name).cloned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
