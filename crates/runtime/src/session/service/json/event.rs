//! Events as JSON objects under their names, for every transport.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use beep_python_protocol::ValueForm;
use bytes::Bytes;
use serde_json::json;

use crate::session::event::{ClientRequest, ClientRequestKind, Event};
use crate::session::output::OutputPiece;
use crate::session::service::json::encode::{EMPTY, EncodedResponse, encode_response};
use crate::session::service::json::floats::ArrayFormat;
use crate::worker::chunks::Chunks;

/// An event without its framing. It has no line break in it.
#[derive(Debug)]
pub enum EncodedEvent {
    /// An event before the response: its name (`stdout` `stderr` `display` `clear_output` `log` `progress` `item` `input_request` `callback`
    /// `session`), and a JSON object.
    Event(&'static str, Chunks),
    /// The last event: the response, as an operation without events has it.
    Response(EncodedResponse),
}

/// Encodes one event.
pub async fn encode_event(event: Event, form: ValueForm) -> EncodedEvent {
    let name = match &event {
        Event::Stdout(_) => "stdout",
        Event::Stderr(_) => "stderr",
        Event::Display(_) => "display",
        Event::Log(_) => "log",
        Event::Progress(_) => "progress",
        Event::Item(_) | Event::ItemHandle(_) => "item",
        Event::ClientRequest(ClientRequest { kind: ClientRequestKind::Input, .. }) => "input_request",
        Event::ClientRequest(ClientRequest { kind: ClientRequestKind::Callback, .. }) => "callback",
        Event::ClearOutput { .. } => "clear_output",
        Event::Session(_) => "session",
        Event::Response(_) => "result",
    };
    match event {
        Event::Response(response) => {
            EncodedEvent::Response(match encode_response(*response, ArrayFormat::of(form)).await {
                EncodedResponse::Json(body) => EncodedResponse::Json(one_line(body)),
                EncodedResponse::Exception(body) => EncodedResponse::Exception(one_line(body)),
                other => other,
            })
        }
        other => EncodedEvent::Event(name, event_json(&other)),
    }
}

/// The JSON object of an event; an empty one for the response, which has an encoding of its own.
pub fn event_json(event: &Event) -> Chunks {
    match event {
        Event::ClearOutput { wait } => object(&json!({ "wait": wait })),
        Event::Stdout(piece) | Event::Stderr(piece) => Chunks::one(output(piece)),
        Event::Session(body)
        | Event::Display(body)
        | Event::Log(body)
        | Event::Progress(body)
        | Event::ItemHandle(body) => one_line(body.clone()),
        Event::Item(body) => one_line(value(body)),
        Event::ClientRequest(ClientRequest { id, body, .. }) => {
            let comma = if &**body == EMPTY.as_bytes() { "" } else { "," };
            let head = format!(r#"{{"questionId":"{id}"{comma}"#);
            let rest = body.slice(body.len().min(1)..);
            one_line([Bytes::from(head), rest].into_iter().collect())
        }
        Event::Response(_) => Chunks::one(&b"{}"[..]),
    }
}

/// `{"text":…}`, or `{"base64":…}` for bytes that are no text.
fn output(OutputPiece { bytes, omitted_bytes }: &OutputPiece) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8 + 32);
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            out.extend_from_slice(br#"{"text":"#);
            let _ = serde_json::to_writer(&mut out, text); // to memory: it cannot fail
        }
        Err(_) => {
            out.extend_from_slice(br#"{"base64":""#);
            out.extend_from_slice(BASE64.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
    if *omitted_bytes > 0 {
        out.extend_from_slice(format!(r#","omittedBytes":{omitted_bytes}"#).as_bytes());
    }
    out.push(b'}');
    out
}

fn object(object: &serde_json::Value) -> Chunks {
    Chunks::one(object.to_string())
}

fn value(body: &Chunks) -> Chunks {
    const HEAD: &[u8] = br#"{"value":"#;
    if body.len() < 1024 {
        return Chunks::one([HEAD, &body.contiguous(), b"}"].concat());
    }
    let ends = (Bytes::from_static(HEAD), Bytes::from_static(b"}"));
    std::iter::once(ends.0).chain(body.iter().cloned()).chain([ends.1]).collect()
}

/// A worker runs code that may be hostile: what it sends must not pass for further events.
fn one_line(body: Chunks) -> Chunks {
    if body.iter().all(|piece| !piece.iter().any(|byte| matches!(byte, b'\n' | b'\r'))) {
        return body;
    }
    match serde_json::from_slice::<serde_json::Value>(&body.contiguous()) {
        Ok(read) => object(&read),
        Err(_) => Chunks::one(&b"{}"[..]),
    }
}
