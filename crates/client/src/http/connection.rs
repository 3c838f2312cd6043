//! One HTTP/1.1 connection, driven by whoever waits for its answer: no task of its own, no hop between threads.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{Request, header};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::{Handle, Id};

use super::Endpoint;
use crate::Error;

/// Servers keep idle connections for 90 seconds; well before that we no longer rely on it.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// How much is set aside for a large answer before its bytes are there.
const MAX_RESERVED: usize = 64 << 20;

pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Moves the bytes. Gone when the connection is closed.
    driver: Option<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>,
    /// A second descriptor of the socket, to ask the system whether the server has closed it. What the reactor knows
    /// may be old: it has not looked since we last waited.
    probe: std::net::TcpStream,
    /// The tokio runtime whose reactor watches the socket; no other can wait for it.
    runtime: Id,
    used: Instant,
}

/// Why there is no answer.
pub(super) struct Lost {
    /// The request, when nothing of it was sent.
    pub(super) unsent: Option<Request<Full<Bytes>>>,
    pub(super) source: hyper::Error,
}

impl Connection {
    pub(super) async fn open(endpoint: &Endpoint) -> Result<Connection, Error> {
        let stream = endpoint.connect().await?;
        let failed = |source| Error::Connect { endpoint: endpoint.to_string(), source };
        let (stream, probe) = split_probe(stream).map_err(failed)?;
        let (sender, driver) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(io::Error::other(error)))?;
        let runtime = Handle::current().id();
        Ok(Connection { sender, driver: Some(driver), probe, runtime, used: Instant::now() })
    }

    /// Whether another request can be sent: the server has neither closed it nor said anything unasked.
    pub(super) fn is_usable(&self) -> bool {
        self.used.elapsed() < MAX_IDLE
            && self.driver.is_some()
            && self.runtime == Handle::current().id()
            && matches!(self.probe.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends a request and waits for the whole answer. Afterwards the connection can be used again if
    /// [`is_idle`](Connection::is_idle) says so.
    pub(super) async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<(Parts, Bytes), Lost> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            drive(&mut self.driver, cx);
            answer.as_mut().poll(cx)
        });
        let (parts, body) = match answer.await {
            Ok(answer) => answer.into_parts(),
            Err(mut error) => return Err(Lost { unsent: error.take_message(), source: error.into_error() }),
        };
        let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let body = self.collect(body, length).await.map_err(|source| Lost { unsent: None, source })?;
        self.used = Instant::now();
        Ok((parts, body))
    }

    async fn collect(&mut self, mut body: Incoming, length: Option<usize>) -> Result<Bytes, hyper::Error> {
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        poll_fn(|cx| {
            let mut driven = false;
            loop {
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        let Ok(data) = frame.into_data() else { continue };
                        if first.is_empty() && whole.is_empty() {
                            // Small answers come in one piece, which is then passed on as it is.
                            first = data;
                        } else {
                            if whole.is_empty() {
                                whole.reserve(length.unwrap_or(0).clamp(first.len() + data.len(), MAX_RESERVED));
                                whole.extend_from_slice(&std::mem::take(&mut first));
                            }
                            whole.extend_from_slice(&data);
                        }
                        driven = false;
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending if driven => return Poll::Pending,
                    Poll::Pending => {
                        drive(&mut self.driver, cx);
                        driven = true;
                    }
                }
            }
        })
        .await?;
        // The connection learns that the answer is complete, and asks for the next request.
        poll_fn(|cx| {
            drive(&mut self.driver, cx);
            Poll::Ready(())
        })
        .await;
        Ok(if whole.is_empty() { first } else { whole.freeze() })
    }

    /// Whether the last exchange ended in a way that leaves the connection open.
    pub(super) fn is_idle(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Moves bytes until nothing more can be moved. An error reaches whoever waits for the answer.
fn drive(driver: &mut Option<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>, cx: &mut Context<'_>) {
    if driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(cx).is_ready()) {
        *driver = None;
    }
}

fn split_probe(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let probe = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, probe))
}
