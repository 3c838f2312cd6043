//! Events as JSON objects under their names, for every transport.

use beep_python_protocol::ValueForm;
use bytes::Bytes;
use serde_json::json;

use crate::session::event::{ClientRequest, ClientRequestKind, Event};
use crate::session::service::json::encode::{ArrayFormat, EncodedResponse, encode_response};
use crate::worker::chunks::Chunks;
use crate::worker::frame::Body;

/// An event, but for its framing. Nothing of it has a line break in it.
#[derive(Debug)]
pub enum Told {
    /// On the way: `stdout` `stderr` `display` `item` `input_request` `callback`, and a JSON object that says it.
    Event(&'static str, Chunks),
    /// The last: what the operation answers where it is not followed.
    Response(EncodedResponse),
}

/// Composes one event.
pub async fn tell(event: Event, form: ValueForm) -> Told {
    match event {
        Event::Stdout(text) => Told::Event("stdout", object(&json!({ "text": text }))),
        Event::Stderr(text) => Told::Event("stderr", object(&json!({ "text": text }))),
        Event::Display(body) => Told::Event("display", one_line(pieces(&body))),
        Event::Item(body) => Told::Event("item", one_line(value(&body))),
        Event::ItemHandle(body) => Told::Event("item", one_line(pieces(&body))),
        Event::ClientRequest(ClientRequest { id, kind, body }) => {
            let name = match kind {
                ClientRequestKind::Input => "input_request",
                ClientRequestKind::Callback => "callback",
            };
            let head = format!(r#"{{"questionId":"{id}","#);
            let rest = body.slice(body.len().min(1)..);
            Told::Event(name, one_line([Bytes::from(head), rest].into_iter().collect()))
        }
        Event::Response(reply) => Told::Response(match encode_response(*reply, ArrayFormat::of(form)).await {
            EncodedResponse::Json(body) => EncodedResponse::Json(one_line(body)),
            EncodedResponse::Exception(body) => EncodedResponse::Exception(one_line(body)),
            other => other,
        }),
    }
}

fn object(object: &serde_json::Value) -> Chunks {
    Chunks::one(object.to_string())
}

fn pieces(body: &Body) -> Chunks {
    body.pieces().cloned().collect()
}

fn value(body: &Body) -> Chunks {
    const HEAD: &[u8] = br#"{"value":"#;
    if body.len() < 1024 {
        return Chunks::one([HEAD, &body.contiguous(), b"}"].concat());
    }
    let ends = (Bytes::from_static(HEAD), Bytes::from_static(b"}"));
    std::iter::once(ends.0).chain(body.pieces().cloned()).chain([ends.1]).collect()
}

/// A worker runs code that need not be friendly: what it sends must not pass for further events.
fn one_line(body: Chunks) -> Chunks {
    if body.iter().all(|piece| !piece.iter().any(|byte| matches!(byte, b'\n' | b'\r'))) {
        return body;
    }
    match serde_json::from_slice::<serde_json::Value>(&body.contiguous()) {
        Ok(read) => object(&read),
        Err(_) => Chunks::one(&b"{}"[..]),
    }
}
