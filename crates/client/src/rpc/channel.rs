//! The connection to a host: opened when needed, and again when lost.

use std::fmt;
use std::io;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Mutex;

use crate::connections::ExchangeError;
use crate::error::Error;
use crate::http::destination::Destination;
use crate::http::endpoint::Endpoint;
use crate::socket_probe::{PeerState, SocketProbe};

/// Windows that hold large arrays, so that the host need not wait for window updates.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const MAX_FRAME_BYTES: u32 = 256 << 10;

pub(super) struct Channel {
    pub(super) destination: Destination,
    open: Mutex<Option<Open>>,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    probe: SocketProbe,
}

/// A complete response.
pub(super) struct Exchanged {
    pub(super) status: StatusCode,
    /// The headers and the trailers.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Exchanged {
    pub(super) async fn collect(endpoint: &Endpoint, response: Response<Incoming>) -> Result<Exchanged, Error> {
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.map_err(|error| {
            let lost = ExchangeError::<()> { unsent: None, source: error.into() };
            lost.into_error(endpoint)
        })?;
        let mut headers = parts.headers;
        headers.extend(collected.trailers().cloned().unwrap_or_default());
        Ok(Exchanged { status: parts.status, headers, body: collected.to_bytes() })
    }
}

impl Channel {
    pub(super) fn new(destination: Destination) -> Channel {
        Channel { destination, open: Mutex::default() }
    }

    /// Sends a request and waits for the whole response. If a kept connection fails before anything was sent, the request
    /// goes out on a new one. A request that may have run is never sent again.
    pub(super) async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Exchanged, Error> {
        Exchanged::collect(&self.destination.endpoint, self.send(request).await?).await
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        loop {
            let (mut sender, fresh) = self.sender().await?;
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    Some(again) if !fresh => {
                        request = again;
                        *self.open.lock().await = None;
                    }
                    unsent => {
                        return Err(
                            ExchangeError { unsent, source: error.into_error().into() }.into_error(&self.destination)
                        );
                    }
                },
            }
        }
    }

    /// A sender, and whether its connection is new.
    async fn sender(&self) -> Result<(SendRequest<Full<Bytes>>, bool), Error> {
        let mut current = self.open.lock().await;
        if let Some(open) = current.as_ref()
            && open.is_usable().await
        {
            return Ok((open.sender.clone(), false));
        }
        let open = Open::connect(&self.destination).await?;
        Ok((current.insert(open).sender.clone(), true))
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destination)
    }
}

impl Open {
    async fn connect(destination: &Destination) -> Result<Open, Error> {
        let stream = destination.connect().await?;
        let failed = |source| Error::Connect { endpoint: destination.to_string(), source };
        let probe = SocketProbe::new(&stream).map_err(failed)?;
        let (sender, driver) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(MAX_FRAME_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(io::Error::other(error)))?;
        // It ends with the connection. Its error reaches the callers through their requests.
        tokio::spawn(driver);
        Ok(Open { sender, probe })
    }

    async fn is_usable(&self) -> bool {
        // The driver moves the bytes, but another runtime, which has the driver, may be idle.
        if !self.probe.same_runtime() {
            return false;
        }
        match self.probe.peer_state() {
            PeerState::Closed => return false,
            // It may be a GOAWAY: the driver reads it first.
            PeerState::Readable => tokio::task::yield_now().await,
            PeerState::Quiet => {}
        }
        !self.sender.is_closed()
    }
}
