//! The operations, the same on every backend.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::message::{
    CallRequest, CancelOutcome, CancelRequest, CancelResponse, CreateEnvironmentRequest, CreateRequest,
    EnvironmentCreated, EnvironmentInfo, EnvironmentList, EnvironmentRequest, EvaluateRequest, GetAttributeRequest,
    HandleRequest, Health, InstallPackagesRequest, InstalledPackage, ModuleAvailableResponse, ModuleRequest,
    PackagesInstalled, SessionCreated, SessionInfo, SessionList, SessionRestarted, SetAttributeRequest, WrapRequest,
};
use beep_python_protocol::{
    CallLimits, DebugRequest, Debugger, HandleList, HeldObject, HostOperation, Operation, SessionInspection,
    SessionOptions,
};
use serde::Serialize;
use serde::de::IgnoredAny;
use tokio::sync::oneshot;

use crate::call::{Call, Reply};
use crate::callback::CallbackCall;
use crate::handle_reaper::Release;
use crate::invoke::{
    NO_REQUEST, Nothing, answer, call_host, decode, encode, handle_id, held, options_for, result, return_type,
    session_call, to_argument,
};
use crate::{Args, Context, Error, EventStream, Execution, FromResponse, Handle, Locals, ValueStream, floats};

/// A host that runs Python for us.
///
/// A backend implements [`perform`](PythonHostBackend::perform) and keeps a [`Context`]; everything else follows from
/// these. Backends are cheap to clone, and clones share their connections; [`with_timeout`](Self::with_timeout) and its
/// like give a clone whose calls differ. Without a session of their own all clients of a host share its default one.
///
/// Every operation fails with [`Error::Python`] when Python code raised an exception, [`Error::Host`] when the host could
/// not do it, and [`Error::Connect`] or [`Error::ConnectionLost`] when the host was not reached or not heard to the end.
/// Dropping a future gives the call up: it may run nonetheless, but for calls
/// [`with_cancel_on_disconnect`](Self::with_cancel_on_disconnect).
pub trait PythonHostBackend: Clone + Send + Sync + 'static {
    /// Performs one call. Callers use the operations below; this is what a backend is made of.
    ///
    /// # Errors
    /// [`Error::from_body`] or [`Error::from_problem`] of what the host answered, or a failure to reach it.
    fn perform(&self, call: Call) -> impl Future<Output = Result<Reply, Error>> + Send;

    /// Performs one call of a session and tells what happens on the way. A backend that cannot says so.
    ///
    /// # Errors
    /// A failure to reach the host, or what it answered before anything happened; what comes later is told by the stream.
    fn follow(&self, call: Call) -> impl Future<Output = Result<EventStream, Error>> + Send {
        let _ = call;
        std::future::ready(Err(Error::Protocol { status: 200, detail: "this backend follows no calls".to_owned() }))
    }

    /// What it keeps beside its connection.
    fn context(&self) -> &Context;

    /// The same, to change it.
    fn context_mut(&mut self) -> &mut Context;

    /// The same backend, whose calls have a deadline, counted from their arrival at the host.
    #[must_use]
    fn with_timeout(&self, timeout: Duration) -> Self {
        let mut backend = self.clone();
        backend.context_mut().options.timeout = Some(timeout);
        backend
    }

    /// The same backend, whose calls go to a session.
    #[must_use]
    fn with_session(&self, session: &str) -> Self {
        let mut backend = self.clone();
        backend.context_mut().options.session = Some(Arc::from(session));
        backend
    }

    /// The same backend, for a call that the host knows under this id. No two calls under way may have the same.
    #[must_use]
    fn with_request_id(&self, request_id: &str) -> Self {
        let mut backend = self.clone();
        backend.context_mut().options.request_id = Some(Arc::from(request_id));
        backend
    }

    /// The same backend, whose calls have so long to stop when they are interrupted, before their worker is killed and
    /// their session's state is lost. Zero kills at once.
    #[must_use]
    fn with_grace(&self, grace: Duration) -> Self {
        let mut backend = self.clone();
        backend.context_mut().options.grace = Some(grace);
        backend
    }

    /// The same backend, whose calls may take no more than this. Of these and the limits of their session the smaller hold.
    #[must_use]
    fn with_limits(&self, limits: &CallLimits) -> Self {
        let mut backend = self.clone();
        backend.context_mut().options.limits = Some(Arc::new(limits.clone()));
        backend
    }

    /// The same backend, whose calls make handles with a lease: an object that nobody has used for so long is released, and
    /// then is [`handle_expired`](beep_python_protocol::ErrorCode::HandleExpired), so that a client which vanishes leaves
    /// nothing. Every call that names a handle uses it; a program that only keeps one calls
    /// [`renew_handle`](Self::renew_handle) in time, for nothing does so by itself. Modules have no lease.
    #[must_use]
    fn with_lease(&self, lease: Duration) -> Self {
        let mut backend = self.clone();
        backend.context_mut().options.lease = Some(lease);
        backend
    }

    /// The same backend, whose calls the host cancels when their futures are dropped, or this process ends.
    #[must_use]
    fn with_cancel_on_disconnect(&self) -> Self {
        let mut backend = self.clone();
        backend.context_mut().options.cancel_on_disconnect = true;
        backend
    }

    /// The same backend, whose calls of [`evaluate`](Self::evaluate) each run in a worker of their own, at the same time as
    /// others, in the environment of the session; nothing of them is kept, and a result that cannot be sent as a value is
    /// refused.
    #[must_use]
    fn with_isolation(&self) -> Self {
        let mut backend = self.clone();
        backend.context_mut().options.isolated = true;
        backend
    }

    /// The same backend, with a function that Python code can call: where a call has [`Callback`](crate::Callback) of this
    /// name among its arguments, Python gets a callable that waits for the function's answer. An `Err` is raised there as
    /// `beep_python.CallbackError`.
    #[must_use]
    fn with_callback<F, R>(&self, name: &str, function: impl Fn(CallbackCall) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<R, String>> + Send + 'static,
        R: Serialize + Send + 'static,
    {
        let mut backend = self.clone();
        backend.context_mut().callbacks = self.context().callbacks.with(name, function);
        backend
    }

    /// The same backend, whose calls are carried out while Python waits for the answer of a callback.
    #[must_use]
    fn nested_in(&self, callback: &CallbackCall) -> Self {
        let mut backend = self.clone();
        backend.context_mut().options.callback = callback.reentry_token.clone();
        backend
    }

    /// Finds out whether the host is there and takes calls.
    fn initialize(&self) -> impl Future<Output = Result<Health, Error>> + Send {
        self.health()
    }

    /// What the host says of itself.
    fn health(&self) -> impl Future<Output = Result<Health, Error>> + Send {
        call_host(self, HostOperation::Health, NO_REQUEST, None)
    }

    /// Evaluates an expression, or any number of statements of which the last may be an expression, else the value is
    /// None. Names persist in the session.
    fn evaluate<T: FromResponse>(&self, code: &str) -> impl Future<Output = Result<T, Error>> + Send {
        self.evaluate_with(code, ())
    }

    /// Evaluates with names that exist for this call only. When there are any, nothing that the code binds persists.
    fn evaluate_with<T: FromResponse>(
        &self,
        code: &str,
        locals: impl Into<Locals>,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        let body = locals.into().into_values().and_then(|locals| {
            encode(&EvaluateRequest { expression: code, locals: &locals, return_type: return_type::<T>() })
        });
        result(self, Operation::Evaluate, body, self.context().options.clone())
    }

    /// Runs code as [`evaluate`](Self::evaluate) does, and shows what it does meanwhile: its output, what it displays, and
    /// the lines that it wants of `input()`.
    fn execute(&self, code: &str) -> impl Future<Output = Result<Execution<Self>, Error>> + Send {
        self.execute_with(code, ())
    }

    /// The same, with names that exist for this call only.
    fn execute_with(
        &self,
        code: &str,
        locals: impl Into<Locals>,
    ) -> impl Future<Output = Result<Execution<Self>, Error>> + Send {
        let locals = locals.into();
        async move { Execution::start(self, Operation::Execute, code, locals, None).await }
    }

    /// The same, whose result stays in the session whatever it is, and is not shown:
    /// [`result::<Handle>`](Execution::result).
    fn execute_to_handle(&self, code: &str) -> impl Future<Output = Result<Execution<Self>, Error>> + Send {
        async move { Execution::start(self, Operation::Execute, code, Locals::default(), return_type::<Handle>()).await }
    }

    /// Evaluates as [`evaluate`](Self::evaluate) does, and shows meanwhile its output, what it gives to `display`, and the
    /// lines that it wants of `input()`; neither its value nor the figures that it leaves open.
    fn evaluate_streaming(&self, code: &str) -> impl Future<Output = Result<Execution<Self>, Error>> + Send {
        async move { Execution::start(self, Operation::Evaluate, code, Locals::default(), None).await }
    }

    /// Iterates over what code gives: an iterable, a generator or an asynchronous one. Its items are made as they are read.
    fn stream<T: FromResponse>(&self, code: &str) -> impl Future<Output = Result<ValueStream<Self, T>, Error>> + Send {
        self.stream_with(code, ())
    }

    /// The same, with names that exist for this call only.
    fn stream_with<T: FromResponse>(
        &self,
        code: &str,
        locals: impl Into<Locals>,
    ) -> impl Future<Output = Result<ValueStream<Self, T>, Error>> + Send {
        let locals = locals.into();
        async move { ValueStream::over_code(self, code, locals).await }
    }

    /// Iterates over an object.
    fn iterate<T: FromResponse>(
        &self,
        object: &Handle,
    ) -> impl Future<Output = Result<ValueStream<Self, T>, Error>> + Send {
        async move { ValueStream::over_object(self, object).await }
    }

    /// Imports a module; a dotted name gives the innermost one.
    fn import_module(&self, module: &str) -> impl Future<Output = Result<Handle, Error>> + Send {
        let body = encode(&ModuleRequest { module_name: module });
        async move {
            let mut answer = answer(self, Operation::Import, body, self.context().options.clone()).await?;
            answer.type_name.get_or_insert_with(|| "module".to_owned());
            let id = handle_id(&mut answer)?;
            Ok(Handle::new(id, answer, self.context().options.session.clone(), None))
        }
    }

    /// Calls a class or any other callable of a module, and keeps what it returns.
    fn create_object(
        &self,
        module: &Handle,
        class: &str,
        args: impl Into<Args>,
    ) -> impl Future<Output = Result<Handle, Error>> + Send {
        let body = args.into().into_values().and_then(|(args, kwargs)| {
            encode(&CreateRequest { module_handle_id: module.id(), class_name: class, args: &args, kwargs: &kwargs })
        });
        let options = options_for(self, module);
        async move {
            let session = options.session.clone();
            held(self, answer(self, Operation::Create, body, options).await?, session)
        }
    }

    /// Calls a method.
    fn call_method<T: FromResponse>(
        &self,
        object: &Handle,
        method: &str,
        args: impl Into<Args>,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        let body = args.into().into_values().and_then(|(args, kwargs)| {
            encode(&CallRequest {
                handle_id: object.id(),
                method_name: method,
                args: &args,
                kwargs: &kwargs,
                return_type: return_type::<T>(),
            })
        });
        result(self, Operation::Call, body, options_for(self, object))
    }

    /// Reads an attribute.
    fn get_attribute<T: FromResponse>(
        &self,
        object: &Handle,
        attribute: &str,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        let body = encode(&GetAttributeRequest {
            handle_id: object.id(),
            attribute_name: attribute,
            return_type: return_type::<T>(),
        });
        result(self, Operation::GetAttribute, body, options_for(self, object))
    }

    /// Sets an attribute.
    fn set_attribute(
        &self,
        object: &Handle,
        attribute: &str,
        value: impl Serialize,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let body = to_argument("the attribute's value", &value).and_then(|value| {
            encode(&SetAttributeRequest { handle_id: object.id(), attribute_name: attribute, value: &value })
        });
        let call = session_call(Operation::SetAttribute, body, options_for(self, object));
        async move { self.perform(call?).await.map(drop) }
    }

    /// Reads an object as 32-bit floats: anything with a buffer or items that `float` takes. Of more than one dimension,
    /// row after row.
    fn to_float_array(&self, object: &Handle) -> impl Future<Output = Result<Vec<f32>, Error>> + Send {
        let body = encode(&HandleRequest { handle_id: object.id() });
        let call = session_call(Operation::ToFloatArray, body, options_for(self, object));
        async move { floats::array(self.perform(call?).await?) }
    }

    /// Reads an object as rows of 32-bit floats. Rows of a nested list can differ in length.
    fn to_float_array_2d(&self, object: &Handle) -> impl Future<Output = Result<Vec<Vec<f32>>, Error>> + Send {
        let body = encode(&HandleRequest { handle_id: object.id() });
        let call = session_call(Operation::ToFloatArray2D, body, options_for(self, object));
        async move { floats::array_2d(self.perform(call?).await?) }
    }

    /// Tells whether a module could be imported, without importing it.
    fn is_module_available(&self, module: &str) -> impl Future<Output = Result<bool, Error>> + Send {
        let body = encode(&ModuleRequest { module_name: module });
        let call = session_call(Operation::ModuleAvailable, body, self.context().options.clone());
        async move { Ok(decode::<ModuleAvailableResponse>(&self.perform(call?).await?)?.available) }
    }

    /// Keeps a value in the session.
    fn wrap_value(&self, value: impl Serialize) -> impl Future<Output = Result<Handle, Error>> + Send {
        let body = to_argument("the value", &value).and_then(|value| encode(&WrapRequest { value: &value }));
        async move {
            let options = self.context().options.clone();
            let session = options.session.clone();
            held(self, answer(self, Operation::Wrap, body, options).await?, session)
        }
    }

    /// HandleReaper an object now. Its other clones then name nothing.
    fn dispose_handle(&self, object: Handle) -> impl Future<Output = Result<(), Error>> + Send {
        let body = encode(&HandleRequest { handle_id: object.id() });
        let call = session_call(Operation::Dispose, body, options_for(self, &object));
        async move {
            self.perform(call?).await?;
            object.mark_disposed();
            Ok(())
        }
    }

    /// Uses an object, so that its lease begins anew.
    fn renew_handle(&self, object: &Handle) -> impl Future<Output = Result<(), Error>> + Send {
        let body = encode(&HandleRequest { handle_id: object.id() });
        let call = session_call(Operation::Renew, body, options_for(self, object));
        async move { self.perform(call?).await.map(drop) }
    }

    /// Waits until all handles that were made in this tokio runtime and dropped by now are released. A program that ends
    /// without it leaves the last of them to the end of their session.
    fn release_dropped(&self) -> impl Future<Output = ()> + Send {
        let (done, released) = oneshot::channel();
        async move {
            if let Some(reaper) = self.context().reaper.current()
                && reaper.send(Release::Flush(done)).is_ok()
            {
                let _ = released.await;
            }
        }
    }

    /// Cancels the call under way that was made [`with_request_id`](Self::with_request_id), by whichever client, and returns
    /// when it has ended. What became of it is told to its caller, too. The grace of the call counts, unless this backend
    /// has one of its own.
    fn cancel(&self, request_id: &str) -> impl Future<Output = Result<CancelOutcome, Error>> + Send {
        let grace = self.context().options.grace;
        let grace_ms = grace.map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
        let request = CancelRequest { request_id: request_id.to_owned(), grace_ms };
        async move {
            let answer: CancelResponse = call_host(self, HostOperation::Cancel, Some(request), None).await?;
            Ok(answer.outcome)
        }
    }

    /// Starts a session and answers with its id, for [`with_session`](Self::with_session). It has names and objects of its
    /// own, and runs at the same time as others.
    fn create_session(&self) -> impl Future<Output = Result<String, Error>> + Send {
        async move { self.create_session_with(&SessionOptions::default()).await }
    }

    /// Starts a session in an environment, with limits and labels of its own. A server's sessions can be in different
    /// environments, and Pythons, at the same time.
    fn create_session_with(&self, options: &SessionOptions) -> impl Future<Output = Result<String, Error>> + Send {
        let options = options.clone();
        async move {
            let created: SessionCreated = call_host(self, HostOperation::CreateSession, Some(options), None).await?;
            Ok(created.session_id)
        }
    }

    /// What is known of a session.
    fn get_session(&self, session: &str) -> impl Future<Output = Result<SessionInfo, Error>> + Send {
        call_host(self, HostOperation::GetSession, NO_REQUEST, Some(Arc::from(session)))
    }

    /// Where a session stands: what is known of it, how long its call has been running, and the stack of each of its
    /// threads, without stopping it.
    fn inspect_session(&self, session: &str) -> impl Future<Output = Result<SessionInspection, Error>> + Send {
        call_host(self, HostOperation::InspectSession, NO_REQUEST, Some(Arc::from(session)))
    }

    /// What a session holds for its clients. Waits for its turn in the session.
    fn list_handles(&self, session: &str) -> impl Future<Output = Result<Vec<HeldObject>, Error>> + Send {
        let session = Some(Arc::from(session));
        async move {
            let list: HandleList = call_host(self, HostOperation::ListHandles, NO_REQUEST, session).await?;
            Ok(list.handles)
        }
    }

    /// Lets a debugger listen in a session, or says where it listens already. With `install`, debugpy is installed into the
    /// session's environment where it is not there. Waits for its turn in the session. Whoever attaches runs code there.
    fn debug_session(&self, session: &str, install: bool) -> impl Future<Output = Result<Debugger, Error>> + Send {
        call_host(self, HostOperation::DebugSession, Some(DebugRequest { install }), Some(Arc::from(session)))
    }

    /// Ends the worker of a session, whatever it does, and answers with the epoch in which the session goes on, empty.
    fn restart_session(&self, session: &str) -> impl Future<Output = Result<u64, Error>> + Send {
        let session = Some(Arc::from(session));
        async move {
            let done: SessionRestarted =
                call_host(self, HostOperation::RestartSession, Some(Nothing {}), session).await?;
            Ok(done.session_epoch)
        }
    }

    /// The host's sessions.
    fn list_sessions(&self) -> impl Future<Output = Result<Vec<SessionInfo>, Error>> + Send {
        async move {
            let list: SessionList = call_host(self, HostOperation::ListSessions, NO_REQUEST, None).await?;
            Ok(list.sessions)
        }
    }

    /// What the host knows of one session.
    fn session_info(&self, session: &str) -> impl Future<Output = Result<SessionInfo, Error>> + Send {
        let session = Some(Arc::from(session));
        call_host(self, HostOperation::GetSession, NO_REQUEST, session)
    }

    /// Ends a session, with all that it holds.
    fn delete_session(&self, session: &str) -> impl Future<Output = Result<(), Error>> + Send {
        let session = Some(Arc::from(session));
        async move {
            let _: IgnoredAny = call_host(self, HostOperation::DeleteSession, NO_REQUEST, session).await?;
            Ok(())
        }
    }

    /// Makes a provider's environment with all that the provider needs, or finds it made, and answers with its folder on
    /// the host.
    fn create_environment(
        &self,
        provider: &str,
        model: Option<&str>,
    ) -> impl Future<Output = Result<PathBuf, Error>> + Send {
        let request =
            CreateEnvironmentRequest { provider_name: provider.to_owned(), model_id: model.map(str::to_owned) };
        async move {
            let created: EnvironmentCreated =
                call_host(self, HostOperation::CreateEnvironment, Some(request), None).await?;
            Ok(created.path.into())
        }
    }

    /// The host's environments.
    fn list_environments(&self) -> impl Future<Output = Result<Vec<EnvironmentInfo>, Error>> + Send {
        async move {
            let list: EnvironmentList = call_host(self, HostOperation::ListEnvironments, NO_REQUEST, None).await?;
            Ok(list.environments)
        }
    }

    /// Tries an environment.
    fn environment_status(&self, name: &str) -> impl Future<Output = Result<EnvironmentInfo, Error>> + Send {
        let request = EnvironmentRequest { name: name.to_owned() };
        call_host(self, HostOperation::EnvironmentStatus, Some(request), None)
    }

    /// Installs packages into an environment, each named as PEP 508 writes it (`numpy>=2`), and answers with these
    /// packages as they are now. What is satisfied is left alone; when something cannot be had, nothing is changed.
    fn install_packages(
        &self,
        environment: &str,
        packages: &[&str],
    ) -> impl Future<Output = Result<Vec<InstalledPackage>, Error>> + Send {
        let packages = packages.iter().map(|package| (*package).to_owned()).collect();
        let request = InstallPackagesRequest { name: environment.to_owned(), packages };
        async move {
            let done: PackagesInstalled = call_host(self, HostOperation::InstallPackages, Some(request), None).await?;
            Ok(done.installed)
        }
    }

    /// Deletes an environment.
    fn delete_environment(&self, name: &str) -> impl Future<Output = Result<(), Error>> + Send {
        let request = EnvironmentRequest { name: name.to_owned() };
        async move {
            let _: IgnoredAny = call_host(self, HostOperation::DeleteEnvironment, Some(request), None).await?;
            Ok(())
        }
    }
}
