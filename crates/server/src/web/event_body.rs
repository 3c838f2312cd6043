//! Events as text: server-sent events, or one JSON object a line.

use std::pin::Pin;
use std::time::Duration;

use beep_python_protocol::ValueForm;
use beep_python_runtime::session::Event;
use beep_python_runtime::session::service::json::{Chunks, EncodedEvent, EncodedResponse};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::timeout;

use crate::events::{batch, splice_object};

/// How events are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `event: NAME`, `data: OBJECT` and an empty line.
    ServerSent,
    /// `{"event":"NAME",…}` a line.
    Lines,
}

/// Events on their way to one client.
pub(crate) type EventBody = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// Encodes all events, as they come.
pub(crate) fn encode_events(
    events: impl Stream<Item = Event> + Send + 'static,
    form: ValueForm,
    framing: Framing,
) -> EventBody {
    Box::pin(batch(events, form, move |event, out| {
        let (name, body) = named(event);
        match framing {
            Framing::ServerSent => {
                out.put_slice(format!("event: {name}\ndata: ").as_bytes());
                body.iter().for_each(|piece| out.put_slice(piece));
                out.put_slice(b"\n\n");
            }
            Framing::Lines => put_line("event", name, &body, out),
        }
    }))
}

/// How long nothing is sent at most: proxies and clients end a connection on which nothing comes.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The same, with something that means nothing to a client whenever there was no event for a while: a comment, or an empty line.
pub(crate) fn keep_alive(events: EventBody, framing: Framing) -> EventBody {
    let nothing = match framing {
        Framing::ServerSent => ":\n\n",
        Framing::Lines => "\n",
    };
    Box::pin(stream::unfold(events, move |mut events| async move {
        match timeout(KEEP_ALIVE, events.next()).await {
            Ok(event) => Some((event?, events)),
            Err(_) => Some((Bytes::from_static(nothing.as_bytes()), events)),
        }
    }))
}

/// `{"KEY":"NAME",…}` and the end of the line.
pub(crate) fn put_line(key: &str, name: &str, body: &Chunks, out: &mut BytesMut) {
    out.put_slice(format!(r#"{{"{key}":"{name}""#).as_bytes());
    splice_object(body, out);
    out.put_u8(b'\n');
}

/// The name of an event and its object. The last event is a `result` or an `error`.
pub(crate) fn named(event: EncodedEvent) -> (&'static str, Chunks) {
    match event {
        EncodedEvent::Event(name, body) => (name, body),
        EncodedEvent::Response(EncodedResponse::Json(body)) => ("result", body),
        // Neither has events.
        EncodedEvent::Response(EncodedResponse::Floats { .. } | EncodedResponse::Datum { .. }) => {
            ("result", Chunks::one(&b"{}"[..]))
        }
        EncodedEvent::Response(EncodedResponse::Exception(body)) => ("error", body),
        EncodedEvent::Response(EncodedResponse::Problem(problem)) => {
            ("error", Chunks::one(serde_json::to_vec(&problem).unwrap_or_else(|_| b"{}".to_vec())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn something_comes_while_nothing_happens() {
        for (framing, nothing) in [(Framing::ServerSent, ":\n\n"), (Framing::Lines, "\n")] {
            let late = stream::once(async {
                tokio::time::sleep(Duration::from_secs(40)).await;
                Bytes::from_static(b"late")
            });
            let got: Vec<Bytes> = keep_alive(Box::pin(late), framing).collect().await;
            assert_eq!(got, [nothing, nothing, "late"]);
        }
    }
}
