//! Events as text: server-sent events, or one JSON object a line.

use std::pin::Pin;

use beep_python_protocol::ValueForm;
use beep_python_runtime::session::service::json::{Chunks, EncodedResponse, Told, tell};
use beep_python_runtime::session::{Event, EventStream};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{FutureExt, Stream, stream};

/// Events that are ready go together, up to so many bytes.
const CHUNK_BYTES: usize = 32 << 10;

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `event: NAME`, `data: OBJECT` and an empty line.
    ServerSent,
    /// `{"event":"NAME",…}` a line.
    Lines,
    /// The same with keys in PascalCase.
    PascalLines,
}

/// Events on their way to one client.
pub(crate) type EventBody = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// All events, as they come.
pub(crate) fn text(events: EventStream, form: ValueForm, framing: Framing) -> EventBody {
    Box::pin(batch(events, form, move |told, out| frame(told, framing, out)))
}

/// All events, as they come, each written by `write`.
pub(crate) fn batch(
    events: EventStream,
    form: ValueForm,
    write: impl Fn(Told, &mut BytesMut) + Send + Sync,
) -> impl Stream<Item = Bytes> + Send {
    stream::unfold((events, write), move |(mut events, write)| async move {
        let mut next: Option<Event> = Some(events.next().await?);
        let mut out = BytesMut::new();
        while let Some(event) = next {
            write(tell(event, form).await, &mut out);
            if out.len() >= CHUNK_BYTES {
                break;
            }
            next = events.next().now_or_never().flatten();
        }
        Some((out.freeze(), (events, write)))
    })
}

fn frame(mut told: Told, framing: Framing, out: &mut BytesMut) {
    let pascal = framing == Framing::PascalLines;
    if let (true, Told::Response(EncodedResponse::Problem(problem))) = (pascal, &mut told) {
        crate::rpc::rename_detail_key(problem);
    }
    let (name, body) = named(told);
    if framing == Framing::ServerSent {
        out.put_slice(format!("event: {name}\ndata: ").as_bytes());
        body.iter().for_each(|piece| out.put_slice(piece));
        return out.put_slice(b"\n\n");
    }
    out.put_slice(format!(r#"{{"{}":"{name}""#, if pascal { "Event" } else { "event" }).as_bytes());
    let body = match pascal {
        true => Chunks::one(crate::rpc::pascal_case(&body.contiguous())),
        false => body,
    };
    splice_object(&body, out);
    out.put_u8(b'\n');
}

/// The last event is a `result` or an `error`.
fn named(told: Told) -> (&'static str, Chunks) {
    match told {
        Told::Event(name, body) => (name, body),
        Told::Response(EncodedResponse::Json(body)) => ("result", body),
        Told::Response(EncodedResponse::Floats { .. }) => ("result", Chunks::one(&b"{}"[..])), // never of what has events
        Told::Response(EncodedResponse::Exception(body)) => ("error", body),
        Told::Response(EncodedResponse::Problem(problem)) => {
            ("error", Chunks::one(serde_json::to_vec(&problem).unwrap_or_else(|_| b"{}".to_vec())))
        }
    }
}

/// An object that is begun goes on with the keys of this one. An array, as some operations answer, stands under `value`.
pub(crate) fn splice_object(body: &Chunks, out: &mut BytesMut) {
    let first = body.iter().next().and_then(|piece| piece.first());
    if first != Some(&b'{') {
        out.put_slice(br#","value":"#);
        body.iter().for_each(|piece| out.put_slice(piece));
        return out.put_u8(b'}');
    }
    let mut skip = 1;
    for piece in body.iter() {
        let rest = &piece[skip..];
        if skip == 1 && rest.first() != Some(&b'}') {
            out.put_u8(b',');
        }
        out.put_slice(rest);
        skip = 0;
    }
}
