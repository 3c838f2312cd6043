//! The events of a call, over a connection of its own: closing it ends the subscription.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::destination::PipeDestination;
use super::line;
use crate::error::Error;
use crate::event::{Event, EventStream, is_last};

const READ_BYTES: usize = 64 << 10;

struct Lines {
    stream: UnixStream,
    read: BytesMut,
    endpoint: String,
    ended: bool,
}

pub(super) async fn subscribe(destination: &PipeDestination, line: &Bytes) -> Result<EventStream, Error> {
    let endpoint = &destination.endpoint;
    let mut stream = endpoint.connect().await?;
    let sent = stream.write_all(&destination.first_line(line)).await;
    let mut lines = Lines { stream, read: BytesMut::new(), endpoint: endpoint.to_string(), ended: false };
    if let Err(error) = sent {
        return Err(lines.lost(error));
    }
    // What is refused is refused at once.
    let first = match lines.next().await {
        Err(error) if error.exception().is_none() => return Err(error),
        first => first,
    };
    let events = stream::unfold((Some(first), lines), |(first, mut lines)| async move {
        if lines.ended {
            return None;
        }
        let event = match first {
            Some(event) => event,
            None => lines.next().await,
        };
        lines.ended = is_last(&event);
        Some((event, (None, lines)))
    });
    Ok(EventStream::new(events))
}

impl Lines {
    async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let line = self.line().await.map_err(|error| self.lost(error))?;
            if let Some(event) = line::read_event(&line)? {
                return Ok(event);
            }
        }
    }

    async fn line(&mut self) -> io::Result<Bytes> {
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read[searched..]) {
                return Ok(self.read.split_to(searched + end + 1).freeze());
            }
            searched = self.read.len();
            self.read.reserve(READ_BYTES.max(searched));
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the host closed the connection"));
            }
        }
    }

    fn lost(&self, source: io::Error) -> Error {
        Error::ConnectionLost { endpoint: self.endpoint.clone(), may_have_run: true, source: source.into() }
    }
}
