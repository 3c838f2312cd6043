//! The host and its sessions.

use std::sync::Arc;

use beep_python_protocol::message::{
    CancelOutcome, CancelRequest, CancelResponse, Health, InterruptRequest, InterruptResponse, SessionCreated,
    SessionInfo, SessionList, SessionRestarted,
};
use beep_python_protocol::{
    CallOptions, DebugRequest, Debugger, HandleList, HeldObject, HostOperation, Operation, SessionInspection,
    SessionOptions,
};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::body::{Empty, NO_REQUEST, encode};
use crate::call::{Call, Target};
use crate::callback_dispatcher::CallbackDispatcher;
use crate::client::Client;
use crate::error::Error;
use crate::event::EventStream;
use crate::handle::Handle;
use crate::session_events::SessionEvents;
use crate::transport::Transport;

impl<T: Transport> Client<T> {
    /// Checks that the host accepts calls, and returns what it reports about itself.
    pub async fn health(&self) -> Result<Health, Error> {
        self.call_host(HostOperation::Health, NO_REQUEST, None).await
    }

    /// Cancels the call of this [`request id`](Self::with_request_id), whichever client made it, and returns when the call
    /// has ended. The call's own grace applies unless this client has one. The caller of the cancelled call gets an error.
    pub async fn cancel(&self, request_id: &str) -> Result<CancelOutcome, Error> {
        self.cancel_with(request_id, false).await
    }

    /// Interrupts the call of this [`request id`](Self::with_request_id) once, as Ctrl-C does: `KeyboardInterrupt`, or whatever its
    /// code has for SIGINT. The call goes on if its code catches that. Returns at once, with
    /// [`CancelOutcome::Interrupted`]; a call that had not started is cancelled.
    pub async fn press_ctrl_c(&self, request_id: &str) -> Result<CancelOutcome, Error> {
        self.cancel_with(request_id, true).await
    }

    async fn cancel_with(&self, request_id: &str, once: bool) -> Result<CancelOutcome, Error> {
        let request = CancelRequest { request_id: request_id.to_owned(), grace_ms: self.grace_ms(), once };
        let response: CancelResponse = self.call_host(HostOperation::Cancel, Some(request), None).await?;
        Ok(response.outcome)
    }

    /// Creates a session and returns its id, for [`with_session`](Self::with_session). A session has names and objects
    /// of its own and runs in parallel with others.
    pub async fn create_session(&self) -> Result<String, Error> {
        self.create_session_with(&SessionOptions::default()).await
    }

    /// Creates a session in an environment, with limits and labels. The sessions of a server can use different
    /// environments and Pythons at the same time.
    pub async fn create_session_with(&self, options: &SessionOptions) -> Result<String, Error> {
        let created: SessionCreated = self.call_host(HostOperation::CreateSession, Some(options), None).await?;
        Ok(created.session_id)
    }

    /// Lists the host's sessions.
    pub async fn list_sessions(&self) -> Result<Vec<SessionInfo>, Error> {
        let list: SessionList = self.call_host(HostOperation::ListSessions, NO_REQUEST, None).await?;
        Ok(list.sessions)
    }

    /// Describes a session.
    pub async fn get_session(&self, session: &str) -> Result<SessionInfo, Error> {
        self.call_host(HostOperation::GetSession, NO_REQUEST, Some(Arc::from(session))).await
    }

    /// Describes a session, how long its call has been running, and the stack of each of its threads. Does not stop the
    /// session.
    pub async fn inspect_session(&self, session: &str) -> Result<SessionInspection, Error> {
        self.call_host(HostOperation::InspectSession, NO_REQUEST, Some(Arc::from(session))).await
    }

    /// Follows a session: what happens in it from now on and belongs to no call that runs, such as the output of threads that earlier
    /// calls started, and restarts. The stream ends with the session, with an error unless that was to end; dropping it ends the
    /// subscription.
    ///
    /// A client with callbacks answers those that it [keeps](Self::keep_callback) in the session.
    pub async fn session_events(&self, session: &str) -> Result<SessionEvents, Error> {
        let mut options =
            CallOptions { session: Some(Arc::from(session)), timeout: None, ..self.call_options().clone() };
        options.capabilities.get_or_insert_default().raw_output = self.state.raw_output;
        let target = Target::Host(HostOperation::SessionEvents);
        let call = Call { target, body: Bytes::new(), options, data: Vec::new() };
        if self.state.callbacks.is_empty() {
            return SessionEvents::read(self.transport.subscribe(call).await?, self.state.raw_output).await;
        }
        let events = EventStream::new(CallbackDispatcher::subscribe(self, call).await?);
        SessionEvents::read(events, self.state.raw_output).await
    }

    /// Gives the session of these events a callback that outlives the call to which it is passed, in place of
    /// [`Callback`](crate::Callback): any code that has it may call it, in later calls too, and threads while none runs. The callback
    /// ends when the handle or the events are dropped. It is one of those that this client had when it subscribed.
    ///
    /// ```no_run
    /// # use beep_python_client::{Error, HttpBackend};
    /// # use futures_util::StreamExt;
    /// # async fn example(python: HttpBackend) -> Result<(), Error> {
    /// let python = python.with_callback("pressed", |call| async move { Ok::<i64, Error>(call.arg::<i64>(0)? + 1) });
    /// let mut events = python.session_events("default").await?;
    /// let pressed = python.keep_callback(&events, "pressed").await?;
    /// tokio::spawn(async move { while events.next().await.is_some() {} });
    /// python.evaluate_with::<()>("import builtins; builtins.pressed = pressed", [("pressed", &pressed)]).await?;
    /// assert_eq!(python.evaluate::<i64>("pressed(1)").await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of every operation; [`ErrorCode::InvalidRequest`](crate::ErrorCode::InvalidRequest) where the subscription has ended, or
    /// its client had no callbacks.
    pub async fn keep_callback(&self, events: &SessionEvents, name: &str) -> Result<Handle, Error> {
        let over = events.subscription_id().unwrap_or("none");
        let body = encode(&json!({ "value": { "$callback": name, "keep": over } }));
        let session = Some(Arc::from(events.session()));
        let options = CallOptions { session: session.clone(), ..self.call_options().clone() };
        self.handle_from(self.call_session(Operation::Wrap, body, options).await?, session)
    }

    /// Lists the objects that a session keeps for its clients. Waits for its turn in the session.
    pub async fn list_handles(&self, session: &str) -> Result<Vec<HeldObject>, Error> {
        let session = Some(Arc::from(session));
        let list: HandleList = self.call_host(HostOperation::ListHandles, NO_REQUEST, session).await?;
        Ok(list.handles)
    }

    /// Starts a debug server in a session, or returns the address of the one that is running. With `install`, debugpy is
    /// installed into the session's environment where it is missing. Waits until the session's main thread runs Python: code that runs
    /// goes on. A debugger that attaches can run code there.
    pub async fn debug_session(&self, session: &str, install: bool) -> Result<Debugger, Error> {
        let session = Some(Arc::from(session));
        self.call_host(HostOperation::DebugSession, Some(DebugRequest { install }), session).await
    }

    /// Interrupts the running call of a session, whichever client made it, and returns when that call has ended. The call's
    /// own grace applies unless the request or this client has one.
    pub async fn interrupt_session(
        &self,
        session: &str,
        request: &InterruptRequest,
    ) -> Result<InterruptResponse, Error> {
        let request = InterruptRequest { grace_ms: request.grace_ms.or(self.grace_ms()), ..*request };
        self.call_host(HostOperation::InterruptSession, Some(request), Some(Arc::from(session))).await
    }

    fn grace_ms(&self) -> Option<u64> {
        self.call_options().grace.map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX))
    }

    /// Ends the worker of a session, whatever it is doing, and returns the new epoch. The session goes on empty.
    pub async fn restart_session(&self, session: &str) -> Result<u64, Error> {
        let session = Some(Arc::from(session));
        let restarted: SessionRestarted =
            self.call_host(HostOperation::RestartSession, Some(Empty {}), session).await?;
        Ok(restarted.session_epoch)
    }

    /// Ends a session and releases all that it keeps.
    pub async fn delete_session(&self, session: &str) -> Result<(), Error> {
        let session = Some(Arc::from(session));
        let _: IgnoredAny = self.call_host(HostOperation::DeleteSession, NO_REQUEST, session).await?;
        Ok(())
    }
}
