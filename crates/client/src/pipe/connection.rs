//! One connection to a Unix socket.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::endpoint::PipeEndpoint;
use crate::connections::{Connection, ExchangeError};
use crate::error::Error;
use crate::socket_probe::{PeerState, SocketProbe};

const READ_BYTES: usize = 16 << 10;

pub(super) struct PipeConnection {
    stream: UnixStream,
    probe: SocketProbe,
    read: BytesMut,
}

impl Connection for PipeConnection {
    type Endpoint = PipeEndpoint;
    /// A line, with its line end.
    type Request = Bytes;
    type Response = Bytes;

    async fn open(endpoint: &PipeEndpoint) -> Result<PipeConnection, Error> {
        let stream = endpoint.connect().await?;
        let failed = |source| Error::Connect { endpoint: endpoint.to_string(), source };
        let probe = SocketProbe::new(&stream).map_err(failed)?;
        Ok(PipeConnection { stream, probe, read: BytesMut::new() })
    }

    async fn exchange(&mut self, line: Bytes) -> Result<Bytes, ExchangeError<Bytes>> {
        let mut sent = 0;
        while sent < line.len() {
            let error = match self.stream.write(&line[sent..]).await {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    sent += count;
                    continue;
                }
                Err(error) => error,
            };
            // The host may have responded before it closed, for example that the line is too long.
            let unsent = (sent == 0).then_some(line);
            return self.answer().await.map_err(|_| ExchangeError { unsent, source: error.into() });
        }
        self.answer().await.map_err(|source| ExchangeError { unsent: None, source: source.into() })
    }

    fn is_idle(&self) -> bool {
        self.read.is_empty()
    }

    fn is_usable(&self) -> bool {
        self.probe.same_runtime() && self.probe.peer_state() == PeerState::Quiet
    }
}

impl PipeConnection {
    async fn answer(&mut self) -> io::Result<Bytes> {
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read[searched..]) {
                let line = self.read.split_to(searched + end + 1).freeze();
                return Ok(line);
            }
            searched = self.read.len();
            self.read.reserve(READ_BYTES.max(searched)); // doubles the room for a long line
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the host closed the connection"));
            }
        }
    }
}
