//! Connections whose client sends nothing more, and still reads: `nc -N` does that, and each program that shuts down its writing side.
//!
//! hyper takes the end of what a client sends for the end of the client, and drops the request that is under way, which cancels it where
//! the client asked for that. So it learns of that end only once nothing is under way, or the client is gone.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::auth::{PeerUid, peer_uid};
use crate::bounds::RequestPlace;
use crate::web::unreadable_head::explained;

/// How often to look whether a client that sends nothing more is gone.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// The stream of a connection; it ends when nothing is under way, or its client is gone.
pub(crate) struct HalfClosing<S> {
    stream: S,
    local: SocketAddr,
    remote: SocketAddr,
    under_way: Weak<AtomicBool>,
    /// Once the client sends nothing more.
    looks: Option<Interval>,
    /// Whether an answer has begun: data that follow may look like anything.
    begun: bool,
    /// The text that takes the place of an answer of hyper's own.
    answer: Vec<u8>,
}

/// Counts the requests of a connection that are under way: each holds a clone until its response has been sent. It says whether there
/// has been one.
#[derive(Clone, Default)]
pub(crate) struct UnderWay(Arc<AtomicBool>);

impl UnderWay {
    /// A request has begun.
    pub(crate) fn begin(&self) -> UnderWay {
        self.0.store(true, Ordering::Relaxed);
        self.clone()
    }

    /// Whether a request has begun, be it over or not.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether none is. What serves the connection has two clones itself: one of its own, one to give to requests.
    pub(crate) fn is_idle(&self) -> bool {
        Arc::strong_count(&self.0) <= 2
    }
}

/// A body whose request is under way until it has been sent.
pub(crate) struct InFlightBody<B> {
    pub(crate) body: B,
    pub(crate) _under_way: UnderWay,
    /// Its place among all requests of the server, if it needs one.
    pub(crate) _place: Option<RequestPlace>,
}

impl<B: Body + Unpin> Body for InFlightBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<S> HalfClosing<S> {
    pub(crate) fn new(stream: S, (local, remote): (SocketAddr, SocketAddr), under_way: &UnderWay) -> HalfClosing<S> {
        HalfClosing {
            stream,
            local,
            remote,
            under_way: Arc::downgrade(&under_way.0),
            looks: None,
            begun: false,
            answer: Vec::new(),
        }
    }

    fn is_idle(&self) -> bool {
        self.under_way.strong_count() <= 2
    }

    /// A socket that its process has closed belongs to nobody. Where that cannot be told, the client counts as gone.
    fn is_gone(&self) -> bool {
        matches!(peer_uid(self.local, self.remote), PeerUid::Unknown)
    }
}

impl<S: AsyncWrite + Unpin> HalfClosing<S> {
    /// Writes what takes the place of an answer of hyper's own; hyper flushes and ends the connection then.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.answer.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.answer))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.answer.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HalfClosing<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.looks.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let mut looks = interval(LOOK_INTERVAL);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            self.looks = Some(looks);
        }
        while !self.is_idle() && !self.is_gone() {
            match &mut self.looks {
                Some(looks) => drop(ready!(looks.poll_tick(cx))),
                None => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HalfClosing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.begun
            && let Some(answer) = explained(bytes)
        {
            self.answer = answer;
            return Poll::Ready(Ok(bytes.len()));
        }
        self.begun = true;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.begun
            && let [only] = pieces
            && let Some(answer) = explained(only)
        {
            self.answer = answer;
            return Poll::Ready(Ok(only.len()));
        }
        self.begun = true;
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // hyper flushes once all that it has is written, and drops a body before its last piece is.
        self.begun = !self.is_idle();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
