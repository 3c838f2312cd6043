//! One line, read as a request, and its answer, written as one.

use std::borrow::Cow;
use std::time::Duration;

use beep_python_protocol::{CallLimits, ErrorCode, HostOperation, Operation, Problem};
use beep_python_runtime::session::RequestId;
use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::events::splice_object;
use crate::rejection_log;
use beep_python_runtime::session::service::json::{Chunks, EncodedResponse, Told};
use beep_python_runtime::session::service::operation::{CallOptions, capabilities_named, form_named};

/// The id of a request, as it was written: a JSON string or number.
pub(super) type Id = Bytes;

/// What a line asks for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: Option<Id>,
    pub(super) command: Command,
    pub(super) envelope: CallOptions,
    pub(super) payload: Bytes,
}

/// Who is to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Session(Operation),
    Host(HostOperation),
}

/// A line that asks for nothing that can be done.
#[derive(Debug)]
pub(super) struct RequestError {
    pub(super) id: Option<Id>,
    pub(super) problem: Box<Problem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow, default)]
    command: Cow<'a, str>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    session: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    grace_ms: Option<u64>,
    #[serde(default)]
    limits: Option<Box<CallLimits>>,
    #[serde(default)]
    lease_ms: Option<u64>,
    #[serde(default)]
    cancel_on_disconnect: Option<bool>,
    #[serde(default)]
    isolated: Option<bool>,
    #[serde(borrow, default)]
    values: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    capabilities: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow, default)]
    callback: Option<Cow<'a, str>>,
}

/// Reads a line. The payload stays as it is written.
pub(super) fn read(line: &Bytes) -> Result<Request, RequestError> {
    let rejected = |id: Option<Id>, problem| RequestError { id, problem: Box::new(problem) };
    let text = std::str::from_utf8(line).map_err(|error| {
        rejected(
            None,
            invalid(format!("the line is not UTF-8: the byte at {} begins no character", error.valid_up_to())),
        )
    })?;
    // Left to itself, the reader would take an array for an object whose keys are understood.
    if text.trim_ascii_start().starts_with(|first| first != '{') {
        return Err(rejected(None, invalid("the line must be a JSON object")));
    }
    let parsed: Line<'_> =
        serde_json::from_str(text).map_err(|error| rejected(only_id(line, text), not_a_request(&error)))?;
    let id = match parsed.id {
        None => None,
        Some(id) => Some(id_of(line, id).ok_or_else(|| rejected(None, invalid("'id' must be a string or a number")))?),
    };
    let rejected = |problem| rejected(id.clone(), problem);
    let command = command_named(&parsed.command).map_err(rejected)?;
    let payload = match parsed.payload {
        None => Bytes::from_static(b"{}"),
        Some(payload) if payload.get().starts_with('{') => line.slice_ref(payload.get().as_bytes()),
        Some(_) => return Err(rejected(invalid("'payload' must be a JSON object"))),
    };
    let form = form_named(parsed.values.as_deref()).map_err(rejected)?;
    let deadline = parsed.timeout_ms.map(Duration::from_millis);
    let capabilities = parsed.capabilities.unwrap_or_default();
    let capabilities = capabilities_named(capabilities.iter().map(|word| &**word)).map_err(rejected)?;
    let envelope = CallOptions {
        session: parsed.session.map(Cow::into_owned),
        form,
        deadline,
        grace: parsed.grace_ms.map(Duration::from_millis),
        limits: parsed.limits,
        lease: parsed.lease_ms.map(Duration::from_millis),
        name: parsed.request_id.map(|id| RequestId::new(id.into_owned())),
        cancel_on_disconnect: parsed.cancel_on_disconnect.unwrap_or_default(),
        isolated: parsed.isolated.unwrap_or_default(),
        capabilities,
        callback: parsed.callback.map(Cow::into_owned),
    };
    if id.is_none() && matches!(command, Command::Session(what) if envelope.is_followed(what)) {
        return Err(rejected(invalid("a request with events must have an 'id', which each of its lines repeats")));
    }
    Ok(Request { id, command, envelope, payload })
}

fn command_named(command: &str) -> Result<Command, Problem> {
    let operation = Operation::from_pipe_command(command).map(Command::Session);
    operation.or_else(|| HostOperation::from_pipe_command(command).map(Command::Host)).ok_or_else(|| match command {
        "" => invalid("'command' must say what is to be done; the line has none"),
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

fn not_a_request(error: &serde_json::Error) -> Problem {
    match error.classify() {
        serde_json::error::Category::Data => invalid(format!("the line cannot be read: {error}")),
        _ => invalid(format!("the line is not valid JSON: {error}")),
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The one line that answers a request.
pub(super) fn answer(id: Option<&Id>, composed: EncodedResponse) -> Chunks {
    match composed {
        EncodedResponse::Json(body) if is_one_line(&body) => framed(id, br#""result":"#, body),
        EncodedResponse::Exception(body) if is_one_line(&body) => failure(id, &detail_of(&body), body),
        EncodedResponse::Problem(problem) => refusal(id, &problem),
        EncodedResponse::Json(_) | EncodedResponse::Exception(_) => {
            let detail = "the worker's answer has line breaks in it, which JSON of ours never has; it is withheld";
            refusal(id, &Problem::new(ErrorCode::Internal, detail))
        }
        EncodedResponse::Floats { .. } => {
            refusal(id, &Problem::new(ErrorCode::Internal, "arrays go as JSON over a pipe"))
        }
    }
}

/// The line of an event, `{"id":ID,"event":"NAME",…}`, or of the answer.
pub(super) fn event(id: Option<&Id>, told: Told, out: &mut BytesMut) {
    match told {
        Told::Response(composed) => answer(id, composed).iter().for_each(|piece| out.put_slice(piece)),
        Told::Event(name, body) => {
            out.put_u8(b'{');
            if let Some(id) = id {
                out.put_slice(br#""id":"#);
                out.put_slice(id);
                out.put_u8(b',');
            }
            out.put_slice(br#""event":""#);
            out.put_slice(name.as_bytes());
            out.put_u8(b'"');
            splice_object(&body, out);
            out.put_u8(b'\n');
        }
    }
}

/// The answer to a request that cannot be carried out.
pub(super) fn refusal(id: Option<&Id>, problem: &Problem) -> Chunks {
    rejection_log::log_rejection(problem);
    let text = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    let written = serde_json::to_vec(text).and_then(|text| Ok((text, serde_json::to_vec(problem)?)));
    let (text, body) = written.unwrap_or_else(|_| (br#""the error cannot be written""#.to_vec(), b"null".to_vec()));
    failure(id, &text, Chunks::one(body))
}

fn failure(id: Option<&Id>, text: &[u8], body: Chunks) -> Chunks {
    framed(id, &[br#""error":"#, text, br#","errorInfo":"#].concat(), body)
}

/// `{"id":ID,` `head` `body` `}` and the end of the line.
fn framed(id: Option<&Id>, head: &[u8], body: Chunks) -> Chunks {
    let mut start = BytesMut::with_capacity(16 + head.len() + id.map_or(0, |id| id.len()) + 128);
    start.put_slice(b"{");
    if let Some(id) = id {
        start.put_slice(br#""id":"#);
        start.put_slice(id);
        start.put_slice(b",");
    }
    start.put_slice(head);
    const END: Bytes = Bytes::from_static(b"}\n");
    std::iter::once(start.freeze()).chain(body.iter().cloned()).chain([END]).collect()
}

/// A worker runs code that need not be friendly: what it sends must not pass for further answers.
fn is_one_line(body: &Chunks) -> bool {
    body.iter().all(|piece| memchr::memchr2(b'\n', b'\r', piece).is_none())
}

/// The `detail` of a problem document, as it is written there.
fn detail_of(document: &Chunks) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Detail<'a> {
        #[serde(borrow)]
        detail: Cow<'a, str>,
    }
    let document = document.contiguous();
    let detail = serde_json::from_slice::<Detail<'_>>(&document).map(|found| found.detail).unwrap_or_default();
    let text = if detail.is_empty() { ErrorCode::PythonException.title() } else { &*detail };
    serde_json::to_vec(text).unwrap_or_else(|_| br#""Python raised an exception""#.to_vec())
}

#[cfg(test)]
mod tests {
    use beep_python_protocol::ValueForm;

    use super::*;

    fn line(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn a_request_has_its_payload_as_it_is_written() {
        let text = r#" { "values":"exact", "payload" : {"expression": "1", "x": 1e999} ,"command":"eval","id": "a\u0062",
            "session":"s1", "timeoutMs":5, "unknown":[1] }"#;
        let request = read(&line(text)).unwrap();
        assert_eq!(request.command, Command::Session(Operation::Evaluate));
        assert_eq!(request.payload, r#"{"expression": "1", "x": 1e999}"#);
        assert_eq!(request.id.as_deref(), Some(&br#""a\u0062""#[..]));
        let deadline = Some(Duration::from_millis(5));
        let session = Some("s1".into());
        assert_eq!(
            request.envelope,
            CallOptions { session, form: ValueForm::Exact, deadline, ..CallOptions::default() }
        );
    }

    #[test]
    fn absent_and_null_mean_the_same() {
        for text in [r#"{"command":"ping"}"#, r#"{"command":"ping","payload":null,"id":null,"session":null}"#] {
            let request = read(&line(text)).unwrap();
            assert_eq!((request.command, &request.payload[..]), (Command::Host(HostOperation::Health), &b"{}"[..]));
            assert_eq!((request.id, request.envelope), (None, CallOptions::default()));
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
    fn what_is_wrong_is_told_with_the_id_where_it_can_be_seen() {
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
            let RequestError { id: found, problem } = read(&line(text)).unwrap_err();
            assert_eq!(found.as_deref(), id.map(str::as_bytes), "{text}");
            assert!(problem.detail.contains(said), "{text}: {}", problem.detail);
        }
        let bad = read(&Bytes::from_static(b"{\"command\":\"\xff\"}")).unwrap_err();
        assert!(bad.problem.detail.contains("not UTF-8: the byte at 12"), "{}", bad.problem.detail);
    }

    #[test]
    fn a_worker_cannot_forge_a_line() {
        for forged in ["1\n{\"result\":2}", "1\r", "{}\n"] {
            let answered = answer(None, EncodedResponse::Json(Chunks::one(forged.as_bytes().to_vec()))).contiguous();
            let text = std::str::from_utf8(&answered).unwrap();
            assert_eq!(text.find('\n'), Some(text.len() - 1), "{text}");
            assert!(text.contains(r#""code":"internal""#), "{text}");
        }
    }

    #[test]
    fn an_exception_says_its_detail_as_the_error() {
        for (detail, error) in [(r#""E: \"x\"""#, r#""E: \"x\"""#), (r#""""#, r#""Python raised an exception""#)] {
            let body = format!(r#"{{"detail":{detail},"exception":{{}}}}"#);
            let answered = answer(Some(&line("7")), EncodedResponse::Exception(Chunks::one(body.clone()))).contiguous();
            assert_eq!(answered, format!("{{\"id\":7,\"error\":{error},\"errorInfo\":{body}}}\n"));
        }
    }
}
