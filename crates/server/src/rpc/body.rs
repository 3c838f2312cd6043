//! The body of a response.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use beep_python_protocol::GrpcCode;
use beep_python_runtime::session::service::json::Chunks;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::rpc::events::Messages;
use crate::rpc::status::status;
use crate::web::event_body::EventBody;

/// The body of a response, in one of the forms of this backend.
pub(super) enum RpcBody {
    /// JSON.
    Json(Chunks),
    /// One message, or none, and the trailers; without trailers the headers have said it all.
    Grpc { message: Chunks, trailers: Option<HeaderMap> },
    /// Events as text.
    Text(EventBody),
    /// Events as messages.
    Events(Messages),
    /// What a standard service streams, until the server closes.
    Standard { stream: tonic::body::Body, closing: Pin<Box<dyn Future<Output = ()> + Send>> },
    /// All has been sent.
    End,
}

impl Body for RpcBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        match &mut *self {
            RpcBody::Json(pieces) => Poll::Ready(pieces.pop().map(|piece| Ok(Frame::data(piece)))),
            RpcBody::Grpc { message, trailers } => Poll::Ready(match message.pop() {
                Some(piece) => Some(Ok(Frame::data(piece))),
                None => trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
            }),
            RpcBody::Text(text) => text.as_mut().poll_next(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk)))),
            RpcBody::Events(messages) => messages.as_mut().poll_next(cx).map(|frame| frame.map(Ok)),
            RpcBody::Standard { stream, closing } => {
                // Such a stream may never end by itself, and a server that stops waits for its requests.
                if closing.as_mut().poll(cx).is_ready() {
                    *self = RpcBody::End;
                    let trailers = HeaderMap::from_iter([status(GrpcCode::Unavailable)]);
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Pin::new(stream).poll_frame(cx)
            }
            RpcBody::End => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RpcBody::Json(pieces) => pieces.is_empty(),
            RpcBody::Grpc { message, trailers } => message.is_empty() && trailers.is_none(),
            RpcBody::Text(_) | RpcBody::Events(_) => false,
            RpcBody::Standard { stream, .. } => stream.is_end_stream(),
            RpcBody::End => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RpcBody::Json(pieces) => SizeHint::with_exact(pieces.len() as u64),
            // Known as a rule, but gRPC has no use for a `content-length`.
            _ => SizeHint::default(),
        }
    }
}
