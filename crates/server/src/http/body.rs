//! The body of a response.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use beep_python_runtime::session::service::json::Chunks;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::web::event_body::EventBody;

/// The body of a response.
pub(crate) enum HttpBody {
    /// Pieces, as they are.
    Whole(Chunks),
    /// Events, as they come.
    Events(EventBody),
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            HttpBody::Whole(pieces) => Poll::Ready(pieces.pop().map(|piece| Ok(Frame::data(piece)))),
            HttpBody::Events(text) => {
                text.as_mut().poll_next(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, HttpBody::Whole(pieces) if pieces.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            HttpBody::Whole(pieces) => SizeHint::with_exact(pieces.len() as u64),
            HttpBody::Events(_) => SizeHint::default(),
        }
    }
}
