//! One connection, driven by whoever waits for its answer: no task of its own, no hop between threads.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Handle, Id};

use super::PipeEndpoint;
use crate::Error;

const READ_BYTES: usize = 16 << 10;
/// More than this many idle connections are closed.
const MAX_IDLE: usize = 32;

/// A connection on which no answer is outstanding.
pub(super) struct Connection {
    stream: UnixStream,
    /// A second descriptor of the socket, to ask the system whether the host has closed it. What the reactor knows may
    /// be old: it has not looked since we last waited.
    probe: std::os::unix::net::UnixStream,
    /// The tokio runtime whose reactor watches the socket; no other can wait for it.
    runtime: Id,
    read: BytesMut,
}

/// Why there is no answer.
pub(super) struct Lost {
    /// Whether any of the request was sent.
    pub(super) sent: bool,
    pub(super) source: io::Error,
}

impl Connection {
    pub(super) async fn open(endpoint: &PipeEndpoint) -> Result<Connection, Error> {
        let stream = endpoint.connect().await?;
        let split = |stream: UnixStream| {
            let stream = stream.into_std()?;
            let probe = stream.try_clone()?;
            Ok((UnixStream::from_std(stream)?, probe))
        };
        let (stream, probe) =
            split(stream).map_err(|source| Error::Connect { endpoint: endpoint.to_string(), source })?;
        Ok(Connection { stream, probe, runtime: Handle::current().id(), read: BytesMut::new() })
    }

    /// Whether another request can be sent: the host has neither closed it nor said anything unasked.
    fn is_usable(&self) -> bool {
        let quiet = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.runtime == Handle::current().id() && self.read.is_empty() && (&self.probe).read(&mut [0]).is_err_and(quiet)
    }

    /// Sends a line and reads the one that answers it. Afterwards the connection can be used again.
    pub(super) async fn exchange(&mut self, line: &[u8]) -> Result<Bytes, Lost> {
        let mut sent = 0;
        while sent < line.len() {
            match self.stream.write(&line[sent..]).await {
                Ok(0) => return Err(Lost { sent: sent > 0, source: io::ErrorKind::WriteZero.into() }),
                Ok(count) => sent += count,
                // It may have answered before it closed: that the line is too long, say.
                Err(error) => return self.answer().await.map_err(|_| Lost { sent: sent > 0, source: error }),
            }
        }
        self.answer().await.map_err(|source| Lost { sent: true, source })
    }

    async fn answer(&mut self) -> io::Result<Bytes> {
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read[searched..]) {
                let line = self.read.split_to(searched + end + 1).freeze();
                return Ok(line);
            }
            searched = self.read.len();
            self.read.reserve(READ_BYTES.max(searched)); // double the room for a long line
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the host closed the connection"));
            }
        }
    }
}

/// The idle connections of one endpoint, the last used on top, since it is the warmest.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Connection>>);

impl Pool {
    /// A connection that the host has not closed, if there is one.
    pub(super) fn take(&self) -> Option<Connection> {
        loop {
            let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if connection.is_usable() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next call.
    pub(super) fn put_back(&self, connection: Connection) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}
