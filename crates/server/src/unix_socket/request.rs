//! Reading a line as a request.

use std::borrow::Cow;
use std::fmt;

use beep_python_protocol::{CallOption, CallOptions, DataDescriptor, ErrorCode, HostOperation, Operation, Problem};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::bounds::RequestPlace;
use crate::unix_socket::data::{Attached, Described, Via};
use crate::web::call_options::{syntax_error, without_place};

/// The command that ends a file of an answer. Only a pipe has it: elsewhere data never go as files.
const RELEASE: &str = "release";

/// The id of a request, as it was written: a JSON string or number.
pub(super) type Id = Bytes;

/// What a line asks for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: Option<Id>,
    pub(super) command: Command,
    pub(super) options: CallOptions,
    pub(super) payload: Bytes,
    /// How data go; `None` where the client takes none beside the line.
    pub(super) via: Option<Via>,
    /// The data of the request.
    pub(super) attached: Vec<Attached>,
    /// Its place among all requests of the server, once it has one.
    pub(super) place: Option<RequestPlace>,
}

/// What a line says: a request, and the data that belong to it. These come even where the request is wrong.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) request: Result<Request, RequestError>,
    pub(super) data: LineData,
    /// What it shows as the token of its client.
    pub(super) token: Option<String>,
}

/// Data that belong to a line.
#[derive(Debug, Default)]
pub(super) enum LineData {
    #[default]
    None,
    /// They follow it.
    Inline(Vec<DataDescriptor>),
    /// They came with its first byte, as so many descriptors.
    Descriptors(Vec<DataDescriptor>),
    /// Nobody can know where the next line begins.
    Unknown,
}

/// An operation, of a session or of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Session(Operation),
    Host(HostOperation),
    /// End a file that an answer named.
    Release,
}

impl Command {
    /// Whether events come before the answer.
    pub(super) fn has_events(self, options: &CallOptions) -> bool {
        match self {
            Command::Session(what) => options.has_events(what),
            Command::Host(what) => what == HostOperation::SessionEvents,
            Command::Release => false,
        }
    }
}

/// A line that is no request.
#[derive(Debug)]
pub(super) struct RequestError {
    pub(super) id: Option<Id>,
    pub(super) problem: Box<Problem>,
}

/// Reads a line. The payload stays as it is written.
pub(super) fn read(line: &Bytes) -> Read {
    let (mut data, mut token) = (LineData::None, None);
    let request = read_request(line, &mut data, &mut token);
    Read { request, data, token }
}

fn read_request(line: &Bytes, line_data: &mut LineData, shown: &mut Option<String>) -> Result<Request, RequestError> {
    let failed = |id: Option<Id>, problem| RequestError { id, problem: Box::new(problem) };
    let text = std::str::from_utf8(line).map_err(|error| {
        let at = error.valid_up_to();
        failed(None, invalid(format!("the line is not UTF-8: the byte at {at} begins no character")))
    })?;
    // Else the message would describe the place, not the fault.
    if text.trim_ascii_start().starts_with(|first| first != '{') {
        return Err(failed(None, invalid("the line must be a JSON object")));
    }
    let Line { command, payload, id, options, via, data, fds, token } =
        serde_json::from_str(text).map_err(|error| {
            if text.contains(r#""via""#) {
                *line_data = LineData::Unknown;
            }
            failed(only_id(line, text), not_a_request(line, &error))
        })?;
    *shown = token;
    let (data, paths): (Vec<_>, Vec<_>) =
        data.into_iter().map(|described| (described.descriptor, described.path)).unzip();
    match via {
        Some(Via::Inline) => *line_data = LineData::Inline(data.clone()),
        Some(Via::Fd) => *line_data = LineData::Descriptors(data.clone()),
        Some(Via::File) | None => {}
    }
    let id = match id {
        None => None,
        Some(id) => Some(id_of(line, id).ok_or_else(|| failed(None, invalid("'id' must be a string or a number")))?),
    };
    let failed = |problem| failed(id.clone(), problem);
    let command = command_named(&command.unwrap_or_default()).map_err(failed)?;
    let payload = match payload {
        None => Bytes::from_static(b"{}"),
        Some(payload) if payload.get().starts_with('{') => line.slice_ref(payload.get().as_bytes()),
        Some(_) => return Err(failed(invalid("'payload' must be a JSON object"))),
    };
    let fds_said = if via == Some(Via::Fd) { data.len() as u64 } else { 0 };
    if fds.unwrap_or_default() != fds_said {
        let detail =
            format!("'fds' is the number of descriptors that come with the line, one for each of 'data': {fds_said}");
        return Err(failed(invalid(detail)));
    }
    if via != Some(Via::Fd) && data.iter().any(|descriptor| descriptor.shared) {
        let detail = "only memory that comes as a descriptor can be shared: \"via\": \"fd\"";
        return Err(failed(invalid(detail)));
    }
    let attached = match via {
        None if !data.is_empty() => {
            return Err(failed(invalid("'via' must say how 'data' come: inline, fd or file")));
        }
        Some(Via::File) => {
            let missing = || failed(invalid("each of 'data' that comes as a file must have its 'path'"));
            let files = data.into_iter().zip(paths);
            files.map(|(data, path)| Ok(Attached::File(data, path.ok_or_else(missing)?))).collect::<Result<_, _>>()?
        }
        _ => Vec::new(),
    };
    if id.is_none() && command.has_events(&options) {
        return Err(failed(invalid("a request with events must have an 'id', which each of its lines repeats")));
    }
    Ok(Request { id, command, options, payload, via, attached, place: None })
}

/// A line, whose call options stand beside its other keys.
#[derive(Default)]
struct Line<'a> {
    command: Option<Cow<'a, str>>,
    payload: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    options: CallOptions,
    via: Option<Via>,
    data: Vec<Described>,
    fds: Option<u64>,
    token: Option<String>,
}

impl<'de> Deserialize<'de> for Line<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Line<'de>, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Line<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line<'de>, A::Error> {
                #[derive(Deserialize)]
                struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

                let mut line = Line::default();
                while let Some(key) = map.next_key::<Key>()? {
                    match key {
                        Key::Command if line.command.is_some() => return Err(A::Error::duplicate_field("command")),
                        Key::Command => line.command = Some(map.next_value::<Text<'_>>()?.0),
                        Key::Payload if line.payload.is_some() => return Err(A::Error::duplicate_field("payload")),
                        Key::Payload => line.payload = map.next_value()?,
                        Key::Id if line.id.is_some() => return Err(A::Error::duplicate_field("id")),
                        Key::Id => line.id = map.next_value()?,
                        Key::Via => line.via = map.next_value()?,
                        Key::Data => line.data = map.next_value::<Option<_>>()?.unwrap_or_default(),
                        Key::Fds => line.fds = map.next_value()?,
                        Key::Token => line.token = map.next_value()?,
                        Key::Option(option) => line.options.read_entry(option, &mut map)?,
                        Key::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(line)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

enum Key {
    Command,
    Payload,
    Id,
    Via,
    Data,
    Fds,
    Token,
    Option(CallOption),
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
                Ok(match name {
                    "command" => Key::Command,
                    "payload" => Key::Payload,
                    "id" => Key::Id,
                    "via" => Key::Via,
                    "data" => Key::Data,
                    "fds" => Key::Fds,
                    "token" => Key::Token,
                    _ => match CallOption::meant_by(name) {
                        Some(option) if option.key() == name => Key::Option(option),
                        meant => match wrong_case(name, meant) {
                            Some(wrong) => return Err(E::custom(wrong)),
                            None => Key::Other,
                        },
                    },
                })
            }
        }

        deserializer.deserialize_identifier(Name)
    }
}

/// What is wrong with a key that is known but for its case, and would go unread.
fn wrong_case(name: &str, option: Option<CallOption>) -> Option<String> {
    let own = ["command", "payload", "id", "via", "data", "fds", "token"];
    let meant = own.into_iter().find(|own| own.eq_ignore_ascii_case(name));
    let meant = meant.map(|own| format!("'{name}': there is no such key; did you mean '{own}'?"));
    meant.or_else(|| option.map(|option| option.wrong_case(name)))
}

fn command_named(command: &str) -> Result<Command, Problem> {
    if command == RELEASE {
        return Ok(Command::Release);
    }
    let operation = Operation::from_pipe_command(command).map(Command::Session);
    operation.or_else(|| HostOperation::from_pipe_command(command).map(Command::Host)).ok_or_else(|| match command {
        "" => invalid("'command' must name the operation; the line has none"),
        unknown => Problem::new(ErrorCode::UnknownOperation, format!("there is no command '{}'", shortened(unknown))),
    })
}

/// The id of a line whose other keys cannot be read.
fn only_id(line: &Bytes, text: &str) -> Option<Id> {
    #[derive(Deserialize)]
    struct OnlyId<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    serde_json::from_str::<OnlyId<'_>>(text).ok().and_then(|only| id_of(line, only.id))
}

fn id_of(line: &Bytes, id: &RawValue) -> Option<Id> {
    let fits = id.get().starts_with(|first: char| matches!(first, '"' | '-' | '0'..='9'));
    fits.then(|| line.slice_ref(id.get().as_bytes()))
}

fn not_a_request(line: &[u8], error: &serde_json::Error) -> Problem {
    match error.classify() {
        serde_json::error::Category::Data => invalid(format!("the line cannot be read: {}", without_place(error))),
        _ => invalid(format!("the line is not valid JSON: {}", syntax_error(line, error))),
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use beep_python_protocol::ValueForm;

    use super::*;

    fn line(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn payload_stays_as_it_is_written() {
        let text = r#" { "values":"exact", "payload" : {"expression": "1", "x": 1e999} ,"command":"eval","id": "a\u0062",
            "session":"s1", "timeoutMs":5, "unknown":[1] }"#;
        let request = read(&line(text)).request.unwrap();
        assert_eq!(request.command, Command::Session(Operation::Evaluate));
        assert_eq!(request.payload, r#"{"expression": "1", "x": 1e999}"#);
        assert_eq!(request.id.as_deref(), Some(&br#""a\u0062""#[..]));
        let timeout = Some(Duration::from_millis(5));
        let session = Some("s1".into());
        assert_eq!(
            request.options,
            CallOptions { session, values: Some(ValueForm::Exact), timeout, ..CallOptions::default() }
        );
    }

    #[test]
    fn null_is_the_same_as_absent() {
        for text in [r#"{"command":"ping"}"#, r#"{"command":"ping","payload":null,"id":null,"session":null}"#] {
            let request = read(&line(text)).request.unwrap();
            assert_eq!((request.command, &request.payload[..]), (Command::Host(HostOperation::Health), &b"{}"[..]));
            assert_eq!((request.id, request.options), (None, CallOptions::default()));
        }
    }

    #[test]
    fn every_command_is_known() {
        for operation in Operation::ALL {
            assert_eq!(command_named(operation.pipe_command()), Ok(Command::Session(operation)));
        }
        for operation in HostOperation::ALL {
            assert_eq!(command_named(operation.pipe_command()), Ok(Command::Host(operation)));
        }
    }

    #[test]
    fn errors_have_the_id_where_it_can_be_read() {
        for (text, id, said) in [
            ("", None, "not valid JSON"),
            ("[1]", None, "must be a JSON object"),
            (r#"["ping", {}]"#, None, "must be a JSON object"),
            ("nonsense", None, "must be a JSON object"),
            ("{", None, "not valid JSON"),
            (r#"{"command":"ping"} {}"#, None, "not valid JSON"),
            (r#"{"id":1}"#, Some("1"), "'command'"),
            (r#"{"id":1,"command":5}"#, Some("1"), "cannot be read"),
            (r#"{"id":-1.5,"command":"evaluate"}"#, Some("-1.5"), "'evaluate'"),
            (r#"{"id":"x","command":"eval","payload":"1+1"}"#, Some("\"x\""), "'payload'"),
            (r#"{"id":"x","command":"eval","payload":[]}"#, Some("\"x\""), "'payload'"),
            (r#"{"id":{},"command":"eval"}"#, None, "'id'"),
            (r#"{"id":true,"command":"eval"}"#, None, "'id'"),
            (r#"{"id":2,"command":"eval","timeoutMs":"soon"}"#, Some("2"), "cannot be read"),
            (r#"{"id":2,"command":"eval","timeoutMs":-1}"#, Some("2"), "cannot be read"),
            (r#"{"id":2,"command":"eval","values":"other"}"#, Some("2"), "'plain' or 'exact'"),
            (r#"{"id":2,"command":"eval","session":7}"#, Some("2"), "cannot be read"),
            (r#"{"id":2,"command":"eval","command":"eval"}"#, Some("2"), "duplicate"),
        ] {
            let RequestError { id: found, problem } = read(&line(text)).request.unwrap_err();
            assert_eq!(found.as_deref(), id.map(str::as_bytes), "{text}");
            assert!(problem.detail.contains(said), "{text}: {}", problem.detail);
        }
        let bad = read(&Bytes::from_static(b"{\"command\":\"\xff\"}")).request.unwrap_err();
        assert!(bad.problem.detail.contains("not UTF-8: the byte at 12"), "{}", bad.problem.detail);
    }

    #[test]
    fn data_are_known_even_of_a_wrong_request() {
        let of = |text: &str| read(&line(text));
        let wrong = of(r#"{"command":"nothing","via":"inline","data":[{"byteLength":7}]}"#);
        assert!(wrong.request.is_err());
        assert!(matches!(wrong.data, LineData::Inline(data) if data[0].byte_length == 7));
        assert!(matches!(of(r#"{"command":"put","via":"inline","data":[5]}"#).data, LineData::Unknown));
        assert!(matches!(of(r#"{"command":"put","via":"radio","data":[]}"#).data, LineData::Unknown));
        let sent = of(r#"{"command":"put","via":"fd","fds":1,"data":[{"dtype":"<f8","shape":[2],"byteLength":16}]}"#);
        assert!(sent.request.is_ok());
        assert!(matches!(sent.data, LineData::Descriptors(data) if data.len() == 1));
        for (text, said) in [
            (r#"{"command":"put","data":[{"byteLength":7}]}"#, "'via' must say"),
            (r#"{"command":"put","via":"fd","fds":2,"data":[{"byteLength":7}]}"#, "'fds' is the number"),
            (r#"{"command":"put","via":"fd","data":[{"byteLength":7}]}"#, "'fds' is the number"),
            (r#"{"command":"put","via":"file","data":[{"byteLength":7}]}"#, "'path'"),
        ] {
            let problem = of(text).request.unwrap_err().problem;
            assert!(problem.detail.contains(said), "{text}: {}", problem.detail);
        }
        let file = of(r#"{"command":"put","via":"file","data":[{"byteLength":7,"path":"/dev/shm/x"}]}"#);
        assert!(matches!(file.request.unwrap().attached[..], [Attached::File(..)]));
    }
}
