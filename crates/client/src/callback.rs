//! Callbacks: functions of this program that Python code calls.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use beep_python_protocol::message::{AnswerRequest, CallResponse};
use beep_python_protocol::{Operation, Value, from_value, to_value};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use crate::call::{Call, Reply, Target};
use crate::event::{Event, EventStream, is_last, value_of};
use crate::invoke::{encode, session_call};
use crate::{Error, PythonHostBackend};

/// An argument that stands for the callback of this name: given to a call, Python code gets a function.
///
/// Callbacks are made known by [`with_callback`](crate::PythonHostBackend::with_callback).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Callback(pub String);

impl Serialize for Callback {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::Callback(self.0.clone()).serialize(serializer)
    }
}

/// One call of a callback.
#[derive(Clone, Debug)]
pub struct CallbackCall {
    /// Positional arguments. An object that has no value form is `None`.
    pub args: Vec<Value>,
    /// Arguments by keyword.
    pub kwargs: Vec<(String, Value)>,
    /// Calls that carry it are carried out while Python waits: [`nested_in`](crate::PythonHostBackend::nested_in). `None` where
    /// the session's main thread does not wait.
    pub reentry_token: Option<Arc<str>>,
}

impl CallbackCall {
    /// A positional argument as a type that serde can read.
    ///
    /// # Errors
    /// A text for Python, when there is none or it is of another type.
    pub fn arg<T: DeserializeOwned>(&self, at: usize) -> Result<T, String> {
        let value = self.args.get(at).ok_or_else(|| format!("argument {} is missing", at + 1))?;
        from_value(value.clone()).map_err(|error| format!("argument {}: {error}", at + 1))
    }
}

type Function = Arc<dyn Fn(CallbackCall) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// The callbacks of a backend, by name.
#[derive(Clone, Default)]
pub(crate) struct Callbacks(Arc<HashMap<String, Function>>);

impl Callbacks {
    pub(crate) fn with<F, R>(
        &self,
        name: &str,
        function: impl Fn(CallbackCall) -> F + Send + Sync + 'static,
    ) -> Callbacks
    where
        F: Future<Output = Result<R, String>> + Send + 'static,
        R: Serialize + Send + 'static,
    {
        let mut all = (*self.0).clone();
        let function: Function = Arc::new(move |call| {
            let answer = function(call);
            async move { to_value(&answer.await?).map_err(|error| error.to_string()) }.boxed()
        });
        all.insert(name.to_owned(), function);
        Callbacks(Arc::new(all))
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

/// Answers a question: with a value, with nothing where there is no more input, or with what went wrong.
pub(crate) async fn send_reply<B: PythonHostBackend>(
    backend: &B,
    question: &str,
    answer: Result<Option<Value>, String>,
) -> Result<(), Error> {
    let (value, error, eof) = match &answer {
        Ok(Some(value)) => (Some(value), None, false),
        Ok(None) => (None, None, true),
        Err(error) => (None, Some(error.as_str()), false),
    };
    let body = encode(&AnswerRequest { question_id: question, value, error, eof });
    let mut options = backend.context().options.clone();
    (options.timeout, options.request_id, options.callback) = (None, None, None);
    backend.perform(session_call(Operation::Answer, body, options)?).await.map(drop)
}

/// The events of a call, of which the questions for callbacks are answered as they come.
pub(crate) struct CallbackDispatcher<B> {
    events: EventStream,
    backend: B,
    callbacks: Callbacks,
    session: Option<Arc<str>>,
    answers: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl<B: PythonHostBackend> CallbackDispatcher<B> {
    pub(crate) async fn follow(backend: &B, mut call: Call) -> Result<CallbackDispatcher<B>, Error> {
        let callbacks = backend.context().callbacks.clone();
        call.options.capabilities.callbacks = !callbacks.is_empty();
        let session = call.options.session.clone();
        let events = backend.follow(call).await?;
        Ok(CallbackDispatcher {
            events,
            backend: backend.clone(),
            callbacks,
            session,
            answers: FuturesUnordered::new(),
        })
    }

    fn begin(&self, question: String, name: &str, call: CallbackCall) {
        let function = self.callbacks.0.get(name).cloned();
        let name = name.to_owned();
        let mut backend = self.backend.clone();
        backend.context_mut().options.session = self.session.clone();
        self.answers.push(
            async move {
                let answer = match function {
                    Some(function) => function(call).await.map(Some),
                    None => Err(format!("this client has no callback '{name}'")),
                };
                // A call that has ended meanwhile waits for it no more.
                let _ = send_reply(&backend, &question, answer).await;
            }
            .boxed(),
        );
    }
}

// Nothing in it is pinned but behind boxes of its own.
impl<B> Unpin for CallbackDispatcher<B> {}

impl<B: PythonHostBackend> Stream for CallbackDispatcher<B> {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        loop {
            let event = self.events.poll_next_unpin(cx);
            if let Poll::Ready(Some(Ok(Event::Callback { question_id, name, nested, args, kwargs }))) = event {
                let value = |mut answer: CallResponse| value_of(&mut answer);
                let call = CallbackCall {
                    args: args.into_iter().map(value).collect(),
                    kwargs: kwargs.into_iter().map(|(name, answer)| (name, value(answer))).collect(),
                    reentry_token: nested.then(|| Arc::from(&*question_id)),
                };
                self.begin(question_id, &name, call);
                continue;
            }
            if event.is_ready() {
                return event;
            }
            match self.answers.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => {} // what the answer leads to comes as an event
                _ => return Poll::Pending,
            }
        }
    }
}

impl<B> fmt::Debug for CallbackDispatcher<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackDispatcher").field("callbacks", &self.callbacks).finish_non_exhaustive()
    }
}

/// Performs a call of a session, answering the callbacks that are known.
pub(crate) async fn perform<B: PythonHostBackend>(backend: &B, call: Call) -> Result<Reply, Error> {
    // Those that run code which can be given a callback; a callback that it has kept may be called by any of them.
    let takes = matches!(call.target, Target::Session(Operation::Evaluate | Operation::Call | Operation::Create));
    if !takes || backend.context().callbacks.is_empty() || call.options.callback.is_some() {
        return backend.perform(call).await;
    }
    let mut events = CallbackDispatcher::follow(backend, call).await?;
    let (mut stdout, mut stderr) = (String::new(), String::new());
    while let Some(event) = events.next().await {
        debug_assert!(!matches!(event, Ok(Event::Callback { .. })));
        let last = is_last(&event);
        match event {
            Ok(Event::Stdout(text)) => stdout.push_str(&text),
            Ok(Event::Stderr(text)) => stderr.push_str(&text),
            Ok(Event::Result(answer)) => return with_output(&answer, &stdout, &stderr),
            Err(error) => return Err(error.with_output(stdout, stderr)),
            Ok(_) => {}
        }
        if last {
            break;
        }
    }
    Err(Error::Protocol { status: 200, detail: "the events ended without a result".to_owned() })
}

/// An answer in which its output stands, as where it is not followed.
fn with_output(answer: &bytes::Bytes, stdout: &str, stderr: &str) -> Result<Reply, Error> {
    let mut text = answer.trim_ascii_end().to_vec();
    let written = |text: &str| serde_json::to_string(text).unwrap_or_default();
    for (name, told) in [("stdout", stdout), ("stderr", stderr)] {
        if !told.is_empty() && text.ends_with(b"}") {
            text.pop();
            text.extend_from_slice(format!(r#","{name}":{}}}"#, written(told)).as_bytes());
        }
    }
    Ok(Reply::Json(text.into()))
}
