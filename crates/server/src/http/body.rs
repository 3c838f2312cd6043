//! The body of a response.

use std::pin::Pin;
use std::task::{Context, Poll};

use beep_python_memory::MemoryError;
use beep_python_runtime::session::DatumPieces;
use beep_python_runtime::session::service::json::Chunks;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::web::event_body::EventBody;

/// The body of a response.
pub(crate) enum HttpBody {
    /// Pieces, as they are.
    Whole(Chunks),
    /// A datum, read as it is sent.
    Data(DatumPieces),
    /// Events, as they come.
    Events(EventBody),
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = MemoryError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, MemoryError>>> {
        match &mut *self {
            HttpBody::Whole(pieces) => Poll::Ready(pieces.pop().map(|piece| Ok(Frame::data(piece)))),
            HttpBody::Data(pieces) => Poll::Ready(pieces.next().map(|piece| piece.map(Frame::data))),
            HttpBody::Events(text) => {
                text.as_mut().poll_next(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            HttpBody::Whole(pieces) => pieces.is_empty(),
            HttpBody::Data(pieces) => pieces.remaining() == 0,
            HttpBody::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            HttpBody::Whole(pieces) => SizeHint::with_exact(pieces.len() as u64),
            HttpBody::Data(pieces) => SizeHint::with_exact(pieces.remaining()),
            HttpBody::Events(_) => SizeHint::default(),
        }
    }
}
