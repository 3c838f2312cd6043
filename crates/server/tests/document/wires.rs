//! Carrying examples out.

use beep_python_protocol::grpc::{FILE_DESCRIPTOR_SET, FRAME_HEAD_BYTES, ROUTE_PREFIX};
use beep_python_protocol::{ErrorCode, GrpcCode};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

use crate::described::{Body, Document};
use crate::example::{Example, Wire};
use crate::matching::Names;
use crate::server::Server;
use crate::{http, pipe, rpc};

/// Carries examples out in their order, and tells of those that do not do what they say. What one learned too little
/// from, later ones may fail for too.
pub fn carry_out_all(server: &Server, examples: &[Example]) -> Vec<String> {
    let mut piped = pipe::Connection::open(&server.link);
    let mut names = Names::default();
    let carried_out = examples.iter().filter_map(|example| {
        let done = match example.wire {
            Wire::Http => over_http(server, example, &mut names),
            Wire::Pipe => over_a_pipe(&mut piped, example, &mut names),
            Wire::Grpc => over_grpc(server, example, &mut names),
        };
        done.map_err(|told| format!("PROTOCOL.md:{}: {}\n  {told}", example.line, example.sent[0])).err()
    });
    carried_out.collect()
}

fn over_http(server: &Server, example: &Example, names: &mut Names) -> Result<(), String> {
    let first = names.fill(&example.sent[0]);
    let (method, path) = first.split_once(' ').ok_or("a request begins with method and path")?;
    let (headers, body) = headers_and_body(&example.sent[1..]);
    let body = names.fill(&body);
    let filled: Vec<_> = headers.iter().map(|(name, value)| (*name, names.fill(value))).collect();
    let headers: Vec<_> = filled.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let port = if path.starts_with("/rpc/") { server.rpc } else { server.http };
    let is_binary = matches!(body.as_bytes(), [b'0'..=b'9' | b'a'..=b'f', ..]);
    let body = if is_binary { bytes_of(&body)? } else { body.into_bytes() };
    let answer = http::Connection::open(port).request_bytes(method, path, &headers, &body);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let (status, expected) = example.got.split_first().ok_or("an answer is missing")?;
    if *status != answer.status.to_string() {
        return Err(format!("expected {status}, but got {}: {text}", answer.status));
    }
    if port == server.http {
        let kind = answer.header("content-type").unwrap_or_default();
        Document::get().check(method, path, &body, answer.status, Body { kind, bytes: &answer.body })?;
    }
    let (headers, expected) = headers_and_body(expected);
    for (name, value) in headers {
        if answer.header(name) != Some(value) {
            return Err(format!("expected the header {name}: {value}, but got {:?}", answer.header(name)));
        }
    }
    match answer.header("content-type") {
        Some("application/x-ndjson") => {
            let lines: Vec<_> = example.got[1..].iter().filter(|line| line.starts_with('{')).collect();
            if lines.len() != text.lines().count() {
                return Err(format!("expected {} lines, but got {text}", lines.len()));
            }
            lines.iter().zip(text.lines()).try_for_each(|(expected, line)| names.compare_bodies(expected, line))
        }
        Some("application/octet-stream") => {
            let hex: Vec<String> = answer.body.iter().map(|byte| format!("{byte:02x}")).collect();
            if hex.join(" ") == expected {
                Ok(())
            } else {
                Err(format!("expected {expected}, but got {}", hex.join(" ")))
            }
        }
        _ => names.compare_bodies(&expected, &text),
    }
}

/// Headers look like `Name: value`; from the first other line on it is the body.
fn headers_and_body(lines: &[String]) -> (Vec<(&str, &str)>, String) {
    let header = |line: &String| {
        let (name, _) = line.split_once(": ")?;
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-').then_some(name.len())
    };
    let headers = lines.iter().map_while(|line| header(line).map(|end| (&line[..end], &line[end + 2..])));
    let headers: Vec<_> = headers.collect();
    let body = lines[headers.len()..].iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    (headers, body)
}

fn over_a_pipe(connection: &mut pipe::Connection, example: &Example, names: &mut Names) -> Result<(), String> {
    for line in &example.sent {
        match line.starts_with('{') {
            true => connection.send(format!("{}\n", names.fill(line))),
            false => connection.send(bytes_of(line)?),
        }
    }
    let sent: Vec<serde_json::Value> =
        example.sent.iter().filter_map(|line| serde_json::from_str(&names.fill(line)).ok()).collect();
    // Lines of requests with an id come in any order.
    let mut early: Vec<String> = Vec::new();
    example.got.iter().enumerate().try_for_each(|(at, expected)| {
        if expected.starts_with('{') {
            let wanted = id_of(expected);
            if let Some(came) = early.iter().position(|line| id_of(line) == wanted) {
                let line = early.remove(came);
                return described(&sent, &line).and_then(|()| names.compare_bodies(expected, &line));
            }
            let mut line = connection.receive_text();
            while id_of(&line) != wanted && example.got[at + 1..].iter().any(|later| id_of(later) == id_of(&line)) {
                early.push(std::mem::replace(&mut line, connection.receive_text()));
            }
            return described(&sent, &line).and_then(|()| names.compare_bodies(expected, &line));
        }
        let bytes = bytes_of(expected)?;
        let got = connection.receive_bytes(bytes.len());
        if got == bytes { Ok(()) } else { Err(format!("expected {expected}, but got {got:02x?}")) }
    })
}

/// Whether a line is what the document of the HTTP wire says: results, problems and events are the same on a pipe.
fn described(sent: &[serde_json::Value], line: &str) -> Result<(), String> {
    let id = id_of(line);
    let asked = sent.iter().find(|request| request.get("id") == id.as_ref());
    Document::get().check_line(asked, line)
}

/// The id of the request to which a line belongs.
fn id_of(line: &str) -> Option<serde_json::Value> {
    serde_json::from_str::<serde_json::Value>(line).ok()?.get("id").cloned()
}

fn over_grpc(server: &Server, example: &Example, names: &mut Names) -> Result<(), String> {
    let (service, rpc) = example.sent[0].split_once('/').ok_or("a call begins with service and rpc")?;
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the definition");
    let service = pool.get_service_by_name(&format!("beep.python.runtime.{service}")).ok_or("no such service")?;
    let method = service.methods().find(|method| method.name() == rpc).ok_or("no such rpc")?;
    let (metadata, message) = headers_and_body(&example.sent[1..]);
    let filled: Vec<_> = metadata.iter().map(|(name, value)| (*name, names.fill(value))).collect();
    let mut headers = vec![("content-type", "application/grpc"), ("te", "trailers")];
    headers.extend(filled.iter().map(|(name, value)| (*name, value.as_str())));
    let frame = frames(&method.input(), &names.fill(&message))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(rpc::raw(server.rpc, &format!("{ROUTE_PREFIX}{}", example.sent[0]), &headers, frame));
    let of_errors = || pool.get_message_by_name("beep.python.runtime.ErrorDetails").expect("defined");
    let kind = if answer.grpc_status() == Some("0") { method.output() } else { of_errors() };
    let mut messages = messages(&answer.body, kind)?.into_iter();
    for expected in &example.got {
        if expected.starts_with('{') {
            let actual = messages.next().ok_or_else(|| format!("no message; {answer:?}"))?;
            names.compare_bodies(expected, &actual)?;
            continue;
        }
        let (status, said) = expected.split_once(' ').unwrap_or((expected, ""));
        let number = answer.grpc_status().and_then(|status| status.parse().ok()).unwrap_or(0);
        let trailer = answer.trailers.as_ref().and_then(|trailers| trailers.get("grpc-message"));
        let message = trailer.or(answer.headers.get("grpc-message")).map_or("", |text| text.to_str().unwrap_or("?"));
        let mut codes = ErrorCode::ALL.iter().map(|code| code.grpc_code());
        let of_number = codes.find(|code| code.number() == number).map(GrpcCode::as_str);
        if of_number != Some(status) || !message.contains(said) {
            return Err(format!("expected {expected}, but got {of_number:?} {message}"));
        }
    }
    let status = answer.grpc_status();
    match messages.next() {
        Some(unexpected) => Err(format!("a message too many: {unexpected}")),
        None if example.got.iter().all(|got| got.starts_with('{')) && status != Some("0") => Err(format!("{answer:?}")),
        None => Ok(()),
    }
}

/// Bytes that are written as hexadecimal numbers.
fn bytes_of(text: &str) -> Result<Vec<u8>, String> {
    let numbers = text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16));
    numbers.collect::<Result<_, _>>().map_err(|error| format!("{text}: {error}"))
}

/// The frames of the messages that follow one another in `json`.
fn frames(kind: &MessageDescriptor, json: &str) -> Result<Vec<u8>, String> {
    let all = serde_json::Deserializer::from_str(json).into_iter::<serde_json::Value>();
    let mut out = Vec::new();
    for one in all {
        let one = one.map_err(|error| format!("{json}: {error}"))?;
        out.extend(frame(kind.clone(), &one.to_string())?);
    }
    Ok(out)
}

fn frame(kind: MessageDescriptor, json: &str) -> Result<Vec<u8>, String> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(kind, &mut reader).map_err(|error| format!("{json}: {error}"))?;
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
    Ok([&[0][..], &length, &message].concat())
}

fn messages(mut body: &[u8], kind: MessageDescriptor) -> Result<Vec<String>, String> {
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    let mut found = Vec::new();
    while !body.is_empty() {
        let length = u32::from_be_bytes(body[1..FRAME_HEAD_BYTES].try_into().expect("four bytes")) as usize;
        let (frame, rest) = body.split_at(FRAME_HEAD_BYTES + length);
        body = rest;
        let message = DynamicMessage::decode(kind.clone(), &frame[FRAME_HEAD_BYTES..]).map_err(|e| e.to_string())?;
        let mut json = Vec::new();
        let written = message.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options);
        written.map_err(|error| error.to_string())?;
        found.push(String::from_utf8(json).expect("JSON"));
    }
    Ok(found)
}
