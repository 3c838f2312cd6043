//! Runs callbacks while the call that needs them goes on.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use beep_python_protocol::message::{AnswerRequest, CallResponse};
use beep_python_protocol::{Operation, Value};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream, StreamExt};

use crate::body::{encode, session_call};
use crate::call::{Call, Reply, Target};
use crate::callback::{CallbackCall, Callbacks};
use crate::client::Client;
use crate::error::Error;
use crate::event::{Event, EventStream, is_last, value_of};
use crate::transport::Transport;

/// The events of a call. It runs the callbacks among them, and passes on the others.
pub(crate) struct CallbackDispatcher<T> {
    events: EventStream,
    client: Client<T>,
    callbacks: Callbacks,
    session: Option<Arc<str>>,
    replies: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl<T: Transport> CallbackDispatcher<T> {
    pub(crate) async fn subscribe(client: &Client<T>, mut call: Call) -> Result<CallbackDispatcher<T>, Error> {
        let callbacks = client.state.callbacks.clone();
        call.options.capabilities.get_or_insert_default().callbacks = !callbacks.is_empty();
        let session = call.options.session.clone();
        let events = client.transport.subscribe(call).await?;
        Ok(CallbackDispatcher { events, client: client.clone(), callbacks, session, replies: FuturesUnordered::new() })
    }

    fn dispatch(&self, request_id: String, name: &str, call: CallbackCall) {
        let function = self.callbacks.get(name);
        let name = name.to_owned();
        let mut client = self.client.clone();
        client.state.options.session = self.session.clone();
        self.replies.push(
            async move {
                let reply = match function {
                    Some(function) => function(call).await.map(Some),
                    None => Err(format!("this client has no callback '{name}'")),
                };
                // A call that has ended meanwhile no longer waits for it.
                let _ = send_reply(&client, &request_id, reply).await;
            }
            .boxed(),
        );
    }
}

// It pins nothing but what is in boxes.
impl<T> Unpin for CallbackDispatcher<T> {}

impl<T: Transport> Stream for CallbackDispatcher<T> {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        loop {
            let event = self.events.poll_next_unpin(cx);
            if let Poll::Ready(Some(Ok(Event::Callback { question_id, name, nested, args, kwargs }))) = event {
                let value = |mut response: CallResponse| value_of(&mut response);
                let call = CallbackCall {
                    args: args.into_iter().map(value).collect(),
                    kwargs: kwargs.into_iter().map(|(name, response)| (name, value(response))).collect(),
                    reentry_token: nested.then(|| Arc::from(&*question_id)),
                };
                self.dispatch(question_id, &name, call);
                continue;
            }
            if event.is_ready() {
                return event;
            }
            match self.replies.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => {} // its effect comes as an event
                _ => return Poll::Pending,
            }
        }
    }
}

impl<T> fmt::Debug for CallbackDispatcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackDispatcher").field("callbacks", &self.callbacks).finish_non_exhaustive()
    }
}

/// Replies to a request from Python: with a value, with `None` at the end of input, or with an error's text.
pub(crate) async fn send_reply<T: Transport>(
    client: &Client<T>,
    request_id: &str,
    reply: Result<Option<Value>, String>,
) -> Result<(), Error> {
    let (value, error, eof) = match &reply {
        Ok(Some(value)) => (Some(value), None, false),
        Ok(None) => (None, None, true),
        Err(error) => (None, Some(error.as_str()), false),
    };
    let body = encode(&AnswerRequest { question_id: request_id, value, error, eof });
    let mut options = client.call_options().clone();
    (options.timeout, options.request_id, options.callback) = (None, None, None);
    client.transport.call(session_call(Operation::Answer, body, options)?).await.map(drop)
}

/// Performs a call of a session. With callbacks registered, it subscribes to the call's events to run them.
pub(crate) async fn call_with_callbacks<T: Transport>(client: &Client<T>, call: Call) -> Result<Reply, Error> {
    // The operations that run code, which may have been given a callback now or before.
    let runs_code = matches!(call.target, Target::Session(Operation::Evaluate | Operation::Call | Operation::Create));
    if !runs_code || client.state.callbacks.is_empty() || call.options.callback.is_some() {
        return client.transport.call(call).await;
    }
    let mut events = CallbackDispatcher::subscribe(client, call).await?;
    let (mut stdout, mut stderr, mut omitted) = (String::new(), String::new(), 0);
    while let Some(event) = events.next().await {
        debug_assert!(!matches!(event, Ok(Event::Callback { .. })));
        let last = is_last(&event);
        match event {
            Ok(Event::Stdout { text, omitted_bytes }) => {
                omitted += omitted_bytes;
                stdout.push_str(&text);
            }
            Ok(Event::Stderr { text, omitted_bytes }) => {
                omitted += omitted_bytes;
                stderr.push_str(&text);
            }
            Ok(Event::Result(response)) => return with_output(&response, &stdout, &stderr, omitted),
            Err(error) => return Err(error.with_output(stdout, stderr)),
            Ok(_) => {}
        }
        if last {
            break;
        }
    }
    Err(Error::malformed("the events ended without a result"))
}

/// A response with its output, as a call without events has it.
fn with_output(response: &Bytes, stdout: &str, stderr: &str, omitted_bytes: u64) -> Result<Reply, Error> {
    let mut json = response.trim_ascii_end().to_vec();
    for (name, output) in [("stdout", stdout), ("stderr", stderr)] {
        if !output.is_empty() && json.ends_with(b"}") {
            json.pop();
            let output = serde_json::to_string(output).unwrap_or_default(); // a text: it cannot fail
            json.extend_from_slice(format!(r#","{name}":{output}}}"#).as_bytes());
        }
    }
    if omitted_bytes > 0 && json.ends_with(b"}") {
        json.pop();
        json.extend_from_slice(format!(r#","omittedOutputBytes":{omitted_bytes}}}"#).as_bytes());
    }
    Ok(Reply::Json(json.into()))
}
