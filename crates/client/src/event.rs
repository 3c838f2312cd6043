//! What a call tells before its answer, as every backend gives it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use beep_python_protocol::Value;
use beep_python_protocol::message::CallResponse;
use bytes::Bytes;
use futures_util::Stream;
use serde::Deserialize;

use crate::error::Error;

/// One thing that happens in a call. For backends; callers get what [`execute`](crate::PythonHostBackend::execute) and
/// [`stream`](crate::PythonHostBackend::stream) make of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// It wrote to standard output.
    Stdout(String),
    /// It wrote to standard error.
    Stderr(String),
    /// It showed an object.
    Display(Display),
    /// It gave an item of a stream: a value, or a description of a new handle.
    Item(Box<CallResponse>),
    /// `input()` waits for a line.
    InputRequest {
        /// What the answer names.
        question_id: String,
        /// What is to be shown before it.
        prompt: String,
    },
    /// A callback waits for its answer.
    Callback {
        /// What the answer names, and calls that are to be carried out meanwhile.
        question_id: String,
        /// Which.
        name: String,
        /// Whether calls can be carried out meanwhile.
        nested: bool,
        /// Positional arguments.
        args: Vec<CallResponse>,
        /// Arguments by keyword.
        kwargs: Vec<(String, CallResponse)>,
    },
    /// The answer of the operation, a JSON object, as where it is not followed. Nothing comes after it.
    Result(Bytes),
}

/// An object as it shows itself: by MIME type, what a notebook would take. Binary data is base64.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Display {
    /// `text/plain` as a rule, and richer forms where the object has them: `text/html`, `image/png`, `application/json`.
    pub data: BTreeMap<String, serde_json::Value>,
    /// What else is to be known of each.
    #[serde(default)]
    pub metadata: BTreeMap<String, serde_json::Value>,
}

impl Display {
    /// What stands for it where only text can be shown: its `text/plain`, or which forms it has instead.
    pub fn text(&self) -> Cow<'_, str> {
        match self.data.get("text/plain").and_then(|text| text.as_str()) {
            Some(text) => text.into(),
            None => format!("<{}>", self.data.keys().map(String::as_str).collect::<Vec<_>>().join(", ")).into(),
        }
    }
}

/// The events of one call, in order. An error ends it; dropping it tells the host that nobody follows any more.
pub struct EventStream(Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>);

impl EventStream {
    /// Of a stream that ends after [`Event::Result`] or an error.
    pub fn new(events: impl Stream<Item = Result<Event, Error>> + Send + 'static) -> EventStream {
        EventStream(Box::pin(events))
    }
}

impl Stream for EventStream {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}

/// The keys of all events; each has some of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys<'a> {
    #[serde(default)]
    text: String,
    #[serde(default)]
    question_id: String,
    #[serde(borrow, default)]
    prompt: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(default)]
    nested: bool,
    #[serde(default)]
    args: Vec<CallResponse>,
    #[serde(default)]
    kwargs: BTreeMap<String, CallResponse>,
}

impl Event {
    /// The event of this name, from the JSON object that says it; further keys in it mean nothing. `None` for one that
    /// only a newer host has. For backends.
    pub(crate) fn read(name: &str, object: &Bytes) -> Result<Option<Event>, Error> {
        let unreadable = |error| Error::unreadable(object, &error);
        let keys = || serde_json::from_slice::<Keys<'_>>(object).map_err(unreadable);
        Ok(Some(match name {
            "item" => Event::Item(serde_json::from_slice(object).map_err(unreadable)?),
            "stdout" => Event::Stdout(keys()?.text),
            "stderr" => Event::Stderr(keys()?.text),
            "display" => Event::Display(serde_json::from_slice(object).map_err(unreadable)?),
            "input_request" => {
                let keys = keys()?;
                Event::InputRequest { question_id: keys.question_id, prompt: keys.prompt.into_owned() }
            }
            "callback" => {
                let Keys { question_id, name, nested, args, kwargs, .. } = keys()?;
                let kwargs = kwargs.into_iter().collect();
                Event::Callback { question_id, name: name.into_owned(), nested, args, kwargs }
            }
            "result" => Event::Result(object.clone()),
            _ => return Ok(None),
        }))
    }
}

/// A line in which an object says its event itself: `{"event":"stdout","text":"…"}`.
pub(crate) fn read_line(line: &Bytes) -> Result<Option<Event>, Error> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        event: Cow<'a, str>,
    }
    let named: Named<'_> = serde_json::from_slice(line).map_err(|error| Error::unreadable(line, &error))?;
    match &*named.event {
        "error" => Err(Error::from_body(500, line)),
        name => Event::read(name, line),
    }
}

/// Whether nothing comes after it.
pub(crate) fn is_last(event: &Result<Event, Error>) -> bool {
    matches!(event, Err(_) | Ok(Event::Result(_)))
}

/// The value of an argument or item that is one.
pub(crate) fn value_of(answer: &mut CallResponse) -> Value {
    std::mem::take(&mut answer.value)
}
