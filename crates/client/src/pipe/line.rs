//! Calls and responses as lines.

use beep_python_protocol::{CallOptions, HostOperation, ValueForm};
use bytes::Bytes;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::call::{Call, Reply, Target};
use crate::error::Error;
use crate::event::Event;

/// The line without its payload.
struct Request<'a> {
    command: &'static str,
    id: Option<u32>,
    options: &'a CallOptions,
}

impl Serialize for Request<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("command", self.command)?;
        if let Some(id) = self.id {
            map.serialize_entry("id", &id)?;
        }
        self.options.serialize_entries(&mut map)?;
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionNamed<'a> {
    session_id: &'a str,
}

/// The line of a call, with its line end.
pub(super) fn write(call: &Call) -> Bytes {
    write_with(call, None)
}

/// The line of a call with events: the only one of its connection.
pub(super) fn write_with_events(call: &Call) -> Bytes {
    write_with(call, Some(1))
}

fn write_with(call: &Call, id: Option<u32>) -> Bytes {
    let (command, about) = match call.target {
        Target::Session(operation) => (operation.pipe_command(), None),
        Target::Host(operation) => (operation.pipe_command(), session_in_payload(operation, call)),
    };
    let options = CallOptions { values: Some(ValueForm::Exact), ..call.options_on_wire() };
    let request = Request { command, id, options: &options };
    let mut line = Vec::with_capacity(96 + call.body.len());
    let written = serde_json::to_writer(&mut line, &request);
    debug_assert!(written.is_ok(), "text and numbers can be written");
    line.pop();
    line.extend_from_slice(br#","payload":"#);
    match (&about, &call.body[..]) {
        (Some(about), _) => line.extend_from_slice(about),
        (None, b"") => line.extend_from_slice(b"{}"),
        (None, body) => line.extend_from_slice(body),
    }
    line.extend_from_slice(b"}\n");
    line.into()
}

/// The payload of an operation whose session is part of the route over HTTP.
fn session_in_payload(operation: HostOperation, call: &Call) -> Option<Vec<u8>> {
    if !operation.http_path().contains("{sessionId}") {
        return None;
    }
    let session_id = call.options.session.as_deref().unwrap_or_default();
    serde_json::to_vec(&SessionNamed { session_id }).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<String>,
    #[serde(borrow, default)]
    error_info: Option<&'a RawValue>,
}

/// Reads a response.
pub(super) fn read(line: &Bytes) -> Result<Reply, Error> {
    let answer: Response<'_> = serde_json::from_slice(line).map_err(|error| Error::unreadable(line, &error))?;
    match answer {
        Response { error: Some(error), error_info, .. } => Err(match error_info {
            Some(info) => Error::from_body(STATUS_UNKNOWN, info.get().as_bytes()),
            None => Error::Protocol { status: STATUS_UNKNOWN, detail: error },
        }),
        Response { result: Some(result), .. } => Ok(Reply::Json(line.slice_ref(result.get().as_bytes()))),
        Response { .. } => Err(Error::malformed("the response has neither `result` nor `error`")),
    }
}

/// A pipe has no status; the problem says what is wrong.
const STATUS_UNKNOWN: u16 = 500;

/// Reads an event or the response. `None` for an event of a newer host.
pub(super) fn read_event(line: &Bytes) -> Result<Option<Event>, Error> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow, default)]
        event: Option<std::borrow::Cow<'a, str>>,
    }
    let named: Named<'_> = serde_json::from_slice(line).map_err(|error| Error::unreadable(line, &error))?;
    match named.event {
        Some(name) => Event::read(&name, line),
        None => match read(line)? {
            Reply::Json(answer) => Ok(Some(Event::Result(answer))),
            _ => Err(Error::malformed("binary data where JSON was expected")),
        },
    }
}
