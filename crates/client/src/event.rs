//! The events of a call, the same on every transport.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use beep_python_protocol::Value;
use beep_python_protocol::message::{CallResponse, Display, LogRecord, Progress, SessionEpoch};
use bytes::Bytes;
use futures_util::Stream;
use serde::Deserialize;

use crate::error::Error;

/// An event of a call, as a [`Transport`](crate::Transport) returns it. Callers read events through
/// [`execute`](crate::Client::execute) and [`stream`](crate::Client::stream).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// It wrote to standard output.
    Stdout {
        /// What it wrote.
        text: String,
        /// How many bytes are left out of it, since nothing read them in time.
        omitted_bytes: u64,
    },
    /// It wrote to standard error.
    Stderr {
        /// What it wrote.
        text: String,
        /// How many bytes are left out of it, since nothing read them in time.
        omitted_bytes: u64,
    },
    /// It wrote bytes to standard output that are no UTF-8; for calls with the capability.
    StdoutBytes {
        /// What it wrote.
        bytes: Vec<u8>,
        /// How many bytes are left out before them, since nothing read them in time.
        omitted_bytes: u64,
    },
    /// It wrote bytes to standard error that are no UTF-8; for calls with the capability.
    StderrBytes {
        /// What it wrote.
        bytes: Vec<u8>,
        /// How many bytes are left out before them, since nothing read them in time.
        omitted_bytes: u64,
    },
    /// It displayed an object.
    Display(Display),
    /// It logged a record.
    Log(LogRecord),
    /// It told how far it is.
    Progress(Progress),
    /// It yielded an item of a stream: a value, or the description of a new handle.
    Item(Box<CallResponse>),
    /// `input()` waits for a line.
    InputRequest {
        /// The id that the reply names.
        question_id: String,
        /// The prompt to show.
        prompt: String,
        /// Whether the line is a password, which is not to be shown.
        password: bool,
    },
    /// A callback waits for its result.
    Callback {
        /// The id that the reply and nested calls name.
        question_id: String,
        /// The callback's name.
        name: String,
        /// Whether calls can be nested in it.
        nested: bool,
        /// Positional arguments.
        args: Vec<CallResponse>,
        /// Keyword arguments.
        kwargs: Vec<(String, CallResponse)>,
    },
    /// Clear what it has shown.
    ClearOutput {
        /// Not before it shows something else.
        wait: bool,
    },
    /// The session has this epoch from now on. Only among the events of a session.
    Session(SessionEpoch),
    /// The response of the operation, a JSON object, as a call without events returns it. It is the last event.
    Result(Bytes),
}

impl Event {
    /// How many bytes are left out of the output before this event, or within its text.
    pub(crate) fn omitted_bytes(&self) -> u64 {
        match self {
            Event::Stdout { omitted_bytes, .. }
            | Event::Stderr { omitted_bytes, .. }
            | Event::StdoutBytes { omitted_bytes, .. }
            | Event::StderrBytes { omitted_bytes, .. } => *omitted_bytes,
            _ => 0,
        }
    }
}

/// A [`Stream`] of the events of a call, in order. An error ends it. Dropping it ends the subscription.
pub struct EventStream(Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>);

impl EventStream {
    /// Wraps a stream that ends after [`Event::Result`] or an error.
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

/// The keys of all events; each event has some of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys<'a> {
    #[serde(default)]
    text: String,
    #[serde(borrow)]
    base64: Option<Cow<'a, str>>,
    #[serde(default)]
    question_id: String,
    #[serde(borrow, default)]
    prompt: Cow<'a, str>,
    #[serde(default)]
    password: bool,
    #[serde(default)]
    omitted_bytes: u64,
    #[serde(default)]
    wait: bool,
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
    /// The event of this name, from its JSON object, whose other keys are ignored. `None` for an event of a newer host.
    pub(crate) fn read(name: &str, object: &Bytes) -> Result<Option<Event>, Error> {
        let unreadable = |error| Error::unreadable(object, &error);
        let keys = || serde_json::from_slice::<Keys<'_>>(object).map_err(unreadable);
        Ok(Some(match name {
            "item" => Event::Item(serde_json::from_slice(object).map_err(unreadable)?),
            "stdout" => match keys()? {
                Keys { base64: Some(base64), omitted_bytes, .. } => {
                    Event::StdoutBytes { bytes: decode_base64(&base64)?, omitted_bytes }
                }
                Keys { text, omitted_bytes, .. } => Event::Stdout { text, omitted_bytes },
            },
            "stderr" => match keys()? {
                Keys { base64: Some(base64), omitted_bytes, .. } => {
                    Event::StderrBytes { bytes: decode_base64(&base64)?, omitted_bytes }
                }
                Keys { text, omitted_bytes, .. } => Event::Stderr { text, omitted_bytes },
            },
            "display" => Event::Display(serde_json::from_slice(object).map_err(unreadable)?),
            "log" => Event::Log(serde_json::from_slice(object).map_err(unreadable)?),
            "progress" => Event::Progress(serde_json::from_slice(object).map_err(unreadable)?),
            "session" => Event::Session(serde_json::from_slice(object).map_err(unreadable)?),
            "input_request" => {
                let keys = keys()?;
                let (prompt, password) = (keys.prompt.into_owned(), keys.password);
                Event::InputRequest { question_id: keys.question_id, prompt, password }
            }
            "callback" => {
                let Keys { question_id, name, nested, args, kwargs, .. } = keys()?;
                let kwargs = kwargs.into_iter().collect();
                Event::Callback { question_id, name: name.into_owned(), nested, args, kwargs }
            }
            "clear_output" => Event::ClearOutput { wait: keys()?.wait },
            "result" => Event::Result(object.clone()),
            _ => return Ok(None),
        }))
    }
}

fn decode_base64(text: &str) -> Result<Vec<u8>, Error> {
    BASE64.decode(text).map_err(|error| Error::malformed(format!("output is no base64: {error}")))
}

/// The event of a line that names it: `{"event":"stdout","text":"…"}`. An empty line says that the connection lives.
pub(crate) fn read_line(line: &Bytes) -> Result<Option<Event>, Error> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
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

/// Whether it is the last event.
pub(crate) fn is_last(event: &Result<Event, Error>) -> bool {
    matches!(event, Err(_) | Ok(Event::Result(_)))
}

/// The value of an argument or item.
pub(crate) fn value_of(answer: &mut CallResponse) -> Value {
    std::mem::take(&mut answer.value)
}
