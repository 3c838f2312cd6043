//! The interface of the predecessor.

use std::future::Future;

use beep_python_protocol::message::Health;
use serde::Serialize;

use crate::args::{Args, Locals};
use crate::client::Client;
use crate::error::Error;
use crate::handle::Handle;
use crate::response::FromResponse;
use crate::transport::Transport;

/// The operations of `IPythonHostBackend` of the .NET clients, for code that is generic over its host.
///
/// [`Client`] has all of these and more as methods of its own, so most programs need no trait:
///
/// ```no_run
/// use beep_python_client::{Error, HttpBackend, PipeBackend, PythonHostBackend, connect};
///
/// async fn version(python: &impl PythonHostBackend) -> Result<String, Error> {
///     python.initialize().await?;
///     python.evaluate("import platform; platform.python_version()").await
/// }
///
/// # async fn example() -> Result<(), Error> {
/// version(&HttpBackend::connect("http://127.0.0.1:5678")?).await?;
/// version(&PipeBackend::connect("pipe:my-pipe")?).await?;
/// # #[cfg(feature = "rpc")]
/// version(&beep_python_client::RpcBackend::connect("grpc://127.0.0.1:50051")?).await?;
/// # #[cfg(feature = "local")]
/// version(&beep_python_client::LocalBackend::connect("local:my-environment")?).await?;
/// version(&connect("http://127.0.0.1:5678")?).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of [`Client`].
pub trait PythonHostBackend: Clone + Send + Sync + 'static {
    /// [`Client::health`].
    fn initialize(&self) -> impl Future<Output = Result<Health, Error>> + Send;

    /// [`Client::evaluate`].
    fn evaluate<R: FromResponse>(&self, code: &str) -> impl Future<Output = Result<R, Error>> + Send;

    /// [`Client::evaluate_with`].
    fn evaluate_with<R: FromResponse>(
        &self,
        code: &str,
        locals: impl Into<Locals>,
    ) -> impl Future<Output = Result<R, Error>> + Send;

    /// [`Client::import_module`].
    fn import_module(&self, module: &str) -> impl Future<Output = Result<Handle, Error>> + Send;

    /// [`Client::create_object`].
    fn create_object(
        &self,
        module: &Handle,
        class: &str,
        args: impl Into<Args>,
    ) -> impl Future<Output = Result<Handle, Error>> + Send;

    /// [`Client::call_method`].
    fn call_method<R: FromResponse>(
        &self,
        object: &Handle,
        method: &str,
        args: impl Into<Args>,
    ) -> impl Future<Output = Result<R, Error>> + Send;

    /// [`Client::get_attribute`].
    fn get_attribute<R: FromResponse>(
        &self,
        object: &Handle,
        attribute: &str,
    ) -> impl Future<Output = Result<R, Error>> + Send;

    /// [`Client::set_attribute`].
    fn set_attribute(
        &self,
        object: &Handle,
        attribute: &str,
        value: impl Serialize,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// [`Client::to_float_array`].
    fn to_float_array(&self, object: &Handle) -> impl Future<Output = Result<Vec<f32>, Error>> + Send;

    /// [`Client::to_float_array_2d`].
    fn to_float_array_2d(&self, object: &Handle) -> impl Future<Output = Result<Vec<Vec<f32>>, Error>> + Send;

    /// [`Client::is_module_available`].
    fn is_module_available(&self, module: &str) -> impl Future<Output = Result<bool, Error>> + Send;

    /// [`Client::wrap_value`].
    fn wrap_value(&self, value: impl Serialize) -> impl Future<Output = Result<Handle, Error>> + Send;

    /// [`Client::dispose_handle`].
    fn dispose_handle(&self, object: Handle) -> impl Future<Output = Result<(), Error>> + Send;
}

impl<T: Transport> PythonHostBackend for Client<T> {
    fn initialize(&self) -> impl Future<Output = Result<Health, Error>> + Send {
        Client::health(self)
    }

    fn evaluate<R: FromResponse>(&self, code: &str) -> impl Future<Output = Result<R, Error>> + Send {
        Client::evaluate(self, code)
    }

    fn evaluate_with<R: FromResponse>(
        &self,
        code: &str,
        locals: impl Into<Locals>,
    ) -> impl Future<Output = Result<R, Error>> + Send {
        Client::evaluate_with(self, code, locals)
    }

    fn import_module(&self, module: &str) -> impl Future<Output = Result<Handle, Error>> + Send {
        Client::import_module(self, module)
    }

    fn create_object(
        &self,
        module: &Handle,
        class: &str,
        args: impl Into<Args>,
    ) -> impl Future<Output = Result<Handle, Error>> + Send {
        Client::create_object(self, module, class, args)
    }

    fn call_method<R: FromResponse>(
        &self,
        object: &Handle,
        method: &str,
        args: impl Into<Args>,
    ) -> impl Future<Output = Result<R, Error>> + Send {
        Client::call_method(self, object, method, args)
    }

    fn get_attribute<R: FromResponse>(
        &self,
        object: &Handle,
        attribute: &str,
    ) -> impl Future<Output = Result<R, Error>> + Send {
        Client::get_attribute(self, object, attribute)
    }

    fn set_attribute(
        &self,
        object: &Handle,
        attribute: &str,
        value: impl Serialize,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        Client::set_attribute(self, object, attribute, value)
    }

    fn to_float_array(&self, object: &Handle) -> impl Future<Output = Result<Vec<f32>, Error>> + Send {
        Client::to_float_array(self, object)
    }

    fn to_float_array_2d(&self, object: &Handle) -> impl Future<Output = Result<Vec<Vec<f32>>, Error>> + Send {
        Client::to_float_array_2d(self, object)
    }

    fn is_module_available(&self, module: &str) -> impl Future<Output = Result<bool, Error>> + Send {
        Client::is_module_available(self, module)
    }

    fn wrap_value(&self, value: impl Serialize) -> impl Future<Output = Result<Handle, Error>> + Send {
        Client::wrap_value(self, value)
    }

    fn dispose_handle(&self, object: Handle) -> impl Future<Output = Result<(), Error>> + Send {
        Client::dispose_handle(self, object)
    }
}
