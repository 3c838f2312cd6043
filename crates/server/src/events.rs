//! Events on any wire: those that are ready travel together.

use beep_python_protocol::ValueForm;
use beep_python_runtime::session::Event;
use beep_python_runtime::session::service::json::{Chunks, EncodedEvent, encode_event};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{FutureExt, Stream, StreamExt, stream};

/// The size from which a batch of events is sent.
pub(crate) const BATCH_BYTES: usize = 32 << 10;

/// Encodes all events, as they come, each with `write`; those that are ready go together.
pub(crate) fn batch(
    events: impl Stream<Item = Event> + Send,
    form: ValueForm,
    write: impl Fn(EncodedEvent, &mut BytesMut) + Send + Sync,
) -> impl Stream<Item = Bytes> + Send {
    stream::unfold((Box::pin(events), write), move |(mut events, write)| async move {
        let mut next: Option<Event> = Some(events.next().await?);
        let mut out = BytesMut::new();
        while let Some(event) = next {
            write(encode_event(event, form).await, &mut out);
            if out.len() >= BATCH_BYTES {
                break;
            }
            next = events.next().now_or_never().flatten();
        }
        Some((out.freeze(), (events, write)))
    })
}

/// Continues an open object with the keys of `body`, and closes it. An array, which some operations answer with, goes under `value`.
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
