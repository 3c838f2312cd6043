//! The events of a call, over a connection of its own: closing it ends the subscription.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::destination::Destination;
use crate::error::Error;
use crate::event::{Event, EventStream, is_last, read_line};

struct Lines {
    body: Incoming,
    read: BytesMut,
    endpoint: String,
    ended: bool,
    _driver: Driver,
}

/// The task that moves the bytes; dropping it ends the task.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) async fn subscribe(destination: &Destination, request: Request<Full<Bytes>>) -> Result<EventStream, Error> {
    let stream = destination.connect().await?;
    let endpoint = destination.to_string();
    let failed = |source| Error::Connect { endpoint: endpoint.clone(), source };
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(io::Error::other(error)))?;
    let driver = Driver(tokio::spawn(connection).abort_handle());
    let response = sender.send_request(request).await.map_err(|error| lost(&endpoint, error))?;
    let (parts, body) = response.into_parts();
    if !parts.status.is_success() {
        let body = body.collect().await.map_err(|error| lost(&endpoint, error))?.to_bytes();
        return Err(Error::from_body(parts.status.as_u16(), &body));
    }
    let lines = Lines { body, read: BytesMut::new(), endpoint, ended: false, _driver: driver };
    let events = stream::unfold((lines, sender), |(mut lines, sender)| async move {
        if lines.ended {
            return None;
        }
        let event = lines.next().await;
        lines.ended = is_last(&event);
        Some((event, (lines, sender)))
    });
    Ok(EventStream::new(events))
}

impl Lines {
    async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = read_line(&self.line().await?)? {
                return Ok(event);
            }
        }
    }

    async fn line(&mut self) -> Result<Bytes, Error> {
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read[searched..]) {
                return Ok(self.read.split_to(searched + end + 1).freeze());
            }
            searched = self.read.len();
            match self.body.frame().await {
                Some(Ok(frame)) => self.read.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(lost(&self.endpoint, error)),
                None => {
                    let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the events ended without a result");
                    return Err(lost(&self.endpoint, error));
                }
            }
        }
    }
}

fn lost(endpoint: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::ConnectionLost { endpoint: endpoint.to_owned(), may_have_run: true, source: source.into() }
}
