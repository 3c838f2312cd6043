//! Calls and responses as lines.

use std::os::fd::OwnedFd;

use beep_python_protocol::{CallOptions, DataDescriptor, HostOperation, Operation, ValueError, ValueForm};
use bytes::Bytes;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::call::{Call, Reply, Target};
use crate::data::{Buffer, Datum};
use crate::error::Error;
use crate::event::Event;

/// A request on its way.
pub(super) struct PipeRequest {
    /// The line, with its line end.
    pub(super) line: Bytes,
    /// The descriptors that go with its first byte.
    pub(super) descriptors: Vec<OwnedFd>,
    /// Whether data may come with the answer.
    pub(super) takes_data: bool,
}

/// A response.
pub(super) struct PipeResponse {
    pub(super) line: Bytes,
    /// The data that came with it.
    pub(super) data: Option<Buffer>,
}

/// The line without its payload.
struct Request<'a> {
    command: &'static str,
    id: Option<u32>,
    data: Option<&'a DataOnLine<'a>>,
    options: &'a CallOptions,
}

impl Serialize for Request<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("command", self.command)?;
        if let Some(id) = self.id {
            map.serialize_entry("id", &id)?;
        }
        if let Some(DataOnLine { via, data, fds }) = self.data {
            map.serialize_entry("via", via)?;
            if !data.is_empty() {
                map.serialize_entry("data", data)?;
                map.serialize_entry("fds", fds)?;
            }
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

/// A call as a line, with its line end, and the descriptors of its data.
pub(super) fn request(call: &Call) -> Result<PipeRequest, Error> {
    let takes_data = call.target == Target::Session(Operation::Fetch);
    if call.data.is_empty() {
        let data = takes_data.then_some(DataOnLine { via: "fd", data: &[], fds: 0 });
        return Ok(PipeRequest { line: write_with(call, None, data.as_ref()), descriptors: Vec::new(), takes_data });
    }
    let (mut descriptors, mut described) = (Vec::new(), Vec::new());
    for datum in &call.data {
        let failed = |error| Error::Encode {
            what: "the data".to_owned(),
            source: ValueError::Mismatch(format!("no memory can be made of them: {error}")),
        };
        let (descriptor, offset) = datum.buffer.descriptor().map_err(failed)?;
        descriptors.push(descriptor);
        described.push(DataDescriptor { offset, ..datum.descriptor.clone() });
    }
    let data = DataOnLine { via: "fd", data: &described, fds: descriptors.len() };
    Ok(PipeRequest { line: write_with(call, None, Some(&data)), descriptors, takes_data })
}

/// How data go with a line.
struct DataOnLine<'a> {
    via: &'static str,
    data: &'a [DataDescriptor],
    fds: usize,
}

/// The line of a call with events: the only one of its connection.
pub(super) fn write_with_events(call: &Call) -> Bytes {
    write_with(call, Some(1), None)
}

fn write_with(call: &Call, id: Option<u32>, data: Option<&DataOnLine<'_>>) -> Bytes {
    let (command, about) = match call.target {
        Target::Session(operation) => (operation.pipe_command(), None),
        Target::Host(operation) => (operation.pipe_command(), session_in_payload(operation, call)),
    };
    let options = CallOptions { values: Some(ValueForm::Exact), ..call.options_on_wire() };
    let request = Request { command, id, data, options: &options };
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

/// The payload of an operation whose session is part of the route over HTTP: its body, with the session in front.
fn session_in_payload(operation: HostOperation, call: &Call) -> Option<Vec<u8>> {
    if !operation.http_path().contains("{sessionId}") {
        return None;
    }
    let session_id = call.options.session.as_deref().unwrap_or_default();
    let mut payload = serde_json::to_vec(&SessionNamed { session_id }).ok()?;
    if let Some(rest) = call.body.trim_ascii().strip_prefix(b"{").filter(|rest| rest.trim_ascii() != b"}") {
        payload.pop();
        payload.push(b',');
        payload.extend_from_slice(rest);
    }
    Some(payload)
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

/// What a line says of the data that come with it.
pub(super) struct Data {
    pub(super) via: String,
    pub(super) descriptor: DataDescriptor,
}

/// What the line of an answer says of data; `None` where none come with it.
pub(super) fn data_of(line: &[u8]) -> Option<Data> {
    #[derive(Deserialize)]
    struct Line {
        via: String,
        result: Result,
    }
    #[derive(Deserialize)]
    struct Result {
        data: DataDescriptor,
    }
    let Line { via, result: Result { data } } = serde_json::from_slice(line).ok()?;
    Some(Data { via, descriptor: data })
}

/// Reads a response.
pub(super) fn read(response: PipeResponse) -> Result<Reply, Error> {
    let PipeResponse { line, data } = response;
    let reply = read_line(&line)?;
    let (Some(buffer), Reply::Json(about)) = (data, &reply) else { return Ok(reply) };
    let descriptor = data_of(&line).map(|data| data.descriptor).unwrap_or_default();
    Ok(Reply::Datum { datum: Datum::new(descriptor, buffer), about: about.clone() })
}

fn read_line(line: &Bytes) -> Result<Reply, Error> {
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
        None => match read_line(line)? {
            Reply::Json(answer) => Ok(Some(Event::Result(answer))),
            _ => Err(Error::malformed("binary data where JSON was expected")),
        },
    }
}
