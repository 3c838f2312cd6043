//! One HTTP/1.1 connection.

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

use super::destination::Destination;
use super::stream::ClientStream;
use crate::connections::{Connection, ExchangeError};
use crate::error::Error;
use crate::socket_probe::{PeerState, SocketProbe};

/// Servers keep idle connections for 90 seconds; the client stops using them well before.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// The most memory that is reserved for a response before it arrives. What is not touched costs nothing.
const MAX_RESERVED: usize = 8 << 30;

pub(super) struct HttpConnection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Moves the bytes. `None` once the connection is closed.
    driver: Option<http1::Connection<TokioIo<ClientStream>, Full<Bytes>>>,
    probe: SocketProbe,
    used: Instant,
}

impl Connection for HttpConnection {
    type Endpoint = Destination;
    type Request = Request<Full<Bytes>>;
    type Response = (Parts, Bytes);

    async fn open(destination: &Destination) -> Result<HttpConnection, Error> {
        let stream = destination.connect().await?;
        let failed = |source| Error::Connect { endpoint: destination.to_string(), source };
        let probe = SocketProbe::new(&stream).map_err(failed)?;
        let (sender, driver) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(io::Error::other(error)))?;
        Ok(HttpConnection { sender, driver: Some(driver), probe, used: Instant::now() })
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Parts, Bytes), ExchangeError<Request<Full<Bytes>>>> {
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
            Err(mut error) => {
                return Err(ExchangeError { unsent: error.take_message(), source: error.into_error().into() });
            }
        };
        let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let collected = self.collect(body, length).await;
        let body = collected.map_err(|source| ExchangeError { unsent: None, source: source.into() })?;
        self.used = Instant::now();
        Ok((parts, body))
    }

    fn is_idle(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    fn is_usable(&self) -> bool {
        self.used.elapsed() < MAX_IDLE
            && self.driver.is_some()
            && self.probe.same_runtime()
            && self.probe.peer_state() == PeerState::Quiet
    }
}

impl HttpConnection {
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
                            // Small responses come in one piece, which is passed on as it is.
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
        // Lets the connection notice that the response is complete, so that it accepts the next request.
        poll_fn(|cx| {
            drive(&mut self.driver, cx);
            Poll::Ready(())
        })
        .await;
        Ok(if whole.is_empty() { first } else { whole.freeze() })
    }
}

/// Moves bytes until no more can be moved. An error reaches the caller through the exchange.
fn drive(driver: &mut Option<http1::Connection<TokioIo<ClientStream>, Full<Bytes>>>, cx: &mut Context<'_>) {
    if driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(cx).is_ready()) {
        *driver = None;
    }
}
