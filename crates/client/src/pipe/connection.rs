//! One connection to a Unix socket.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use beep_python_memory::{receive, send};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;

use super::destination::PipeDestination;
use super::line::{self, Data, PipeRequest, PipeResponse};
use crate::connections::{Connection, ExchangeError};
use crate::data::Buffer;
use crate::error::Error;
use crate::socket_probe::{PeerState, SocketProbe};

const READ_BYTES: usize = 16 << 10;

pub(super) struct PipeConnection {
    stream: UnixStream,
    probe: SocketProbe,
    read: BytesMut,
    /// The host, until the first line has been sent there.
    new: Option<PipeDestination>,
    /// Whether another request can follow: a host that refuses the client says so in its first line, and closes.
    goes_on: bool,
}

impl Connection for PipeConnection {
    type Endpoint = PipeDestination;
    type Request = PipeRequest;
    type Response = PipeResponse;

    async fn open(destination: &PipeDestination) -> Result<PipeConnection, Error> {
        let endpoint = &destination.endpoint;
        let stream = endpoint.connect().await?;
        let failed = |source| Error::Connect { endpoint: endpoint.to_string(), source };
        let probe = SocketProbe::new(&stream).map_err(failed)?;
        let new = Some(destination.clone());
        Ok(PipeConnection { stream, probe, read: BytesMut::new(), new, goes_on: true })
    }

    async fn exchange(&mut self, request: PipeRequest) -> Result<PipeResponse, ExchangeError<PipeRequest>> {
        let mut sent = 0;
        let new = self.new.take();
        let line = new.as_ref().map_or_else(|| request.line.clone(), |host| host.first_line(&request.line));
        while sent < line.len() {
            let rest = &line[sent..];
            let written = match sent == 0 && !request.descriptors.is_empty() {
                true => self.send_descriptors(rest, &request.descriptors).await,
                false => self.stream.write(rest).await,
            };
            let error = match written {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    sent += count;
                    continue;
                }
                Err(error) => error,
            };
            // The host may have responded before it closed, for example that the line is too long.
            return match self.answer(false).await {
                Ok(response) => Ok(response),
                Err(_) => Err(ExchangeError { unsent: (sent == 0).then_some(request), source: error.into() }),
            };
        }
        let answer = self.answer(request.takes_data).await;
        let answer = answer.map_err(|source| ExchangeError { unsent: None, source: source.into() })?;
        self.goes_on = new.is_none() || !answer.line.starts_with(br#"{"error""#);
        Ok(answer)
    }

    fn is_idle(&self) -> bool {
        self.goes_on && self.read.is_empty()
    }

    fn is_usable(&self) -> bool {
        self.probe.same_runtime() && self.probe.peer_state() == PeerState::Quiet
    }
}

impl PipeConnection {
    async fn send_descriptors(&self, line: &[u8], descriptors: &[OwnedFd]) -> io::Result<usize> {
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        self.stream.async_io(Interest::WRITABLE, || send(&self.stream, line, &descriptors)).await
    }

    async fn answer(&mut self, takes_data: bool) -> io::Result<PipeResponse> {
        let mut searched = 0;
        let mut descriptors = Vec::new();
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read[searched..]) {
                let line = self.read.split_to(searched + end + 1).freeze();
                let data = if takes_data { self.data_of(&line, descriptors).await? } else { None };
                return Ok(PipeResponse { line, data });
            }
            searched = self.read.len();
            let room = READ_BYTES.max(searched); // doubles the room for a long line
            let read = match takes_data {
                false => {
                    self.read.reserve(room);
                    self.stream.read_buf(&mut self.read).await?
                }
                true => self.read_with_descriptors(room, &mut descriptors).await?,
            };
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the host closed the connection"));
            }
        }
    }

    async fn read_with_descriptors(&mut self, room: usize, descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
        let mut buffer = vec![0; room];
        let stream = &self.stream;
        let received = stream.async_io(Interest::READABLE, || receive(stream, &mut buffer, descriptors)).await?;
        if received.truncated {
            return Err(io::Error::other("the host sent a descriptor, and this process can open no more"));
        }
        self.read.extend_from_slice(&buffer[..received.bytes]);
        Ok(received.bytes)
    }

    /// The data of an answer, as its line says how they come.
    async fn data_of(&mut self, line: &[u8], mut descriptors: Vec<OwnedFd>) -> io::Result<Option<Buffer>> {
        let Some(Data { via, descriptor }) = line::data_of(line) else { return Ok(None) };
        let (offset, length) = (descriptor.offset, descriptor.byte_length);
        if via == "fd" {
            let sent = descriptors.pop().ok_or_else(|| io::Error::other("no descriptor came with the answer"))?;
            return Buffer::of_descriptor(sent, offset, length).map(Some).map_err(io::Error::other);
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(io::Error::other)?;
        let here = self.read.split_to(self.read.len().min(length));
        bytes.extend_from_slice(&here);
        while bytes.len() < length {
            let left = (length - bytes.len()) as u64;
            if (&mut self.stream).take(left).read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the host closed the connection within data"));
            }
        }
        Ok(Some(bytes.into()))
    }
}
