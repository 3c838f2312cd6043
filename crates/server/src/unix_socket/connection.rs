//! A connection: lines in, calls in progress, lines out, all in one task.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::session::service::json::Chunks;
use bytes::Buf;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, FuturesUnordered, SelectAll};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::accept::shutdown_requested;
use crate::server_context::ServerContext;
use crate::unix_socket::line_decoder::{LINE_TIMEOUT, LineDecoder, TooLong};
use crate::unix_socket::reply;
use crate::unix_socket::request::{self, Command, Id, Request, RequestError};
use crate::unix_socket::respond::{Client, EventLines, Response, respond, subscribe};
use crate::unix_socket::write_buffer::WriteBuffer;

/// How many requests of one client are in progress at most; further ones wait unread in the socket.
const MAX_IN_FLIGHT: usize = 64;
/// With so many bytes that the client has not read, nothing more is done for it.
const WRITE_HIGH_WATER: usize = 256 << 10;
/// How long the client may take to read the last responses.
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves a connection until its client ends it, breaks the protocol, or the server stops.
pub(super) async fn run(stream: UnixStream, server: Arc<ServerContext>, stop: watch::Receiver<bool>) -> io::Result<()> {
    let longest = usize::try_from(server.access.max_body_bytes()).unwrap_or(usize::MAX);
    let (gone, client_gone) = watch::channel(false);
    let client = Client::new(client_gone);
    let (shared, caller) = (server.clone(), client.clone());
    let connection = Connection {
        server,
        client,
        gone,
        respond: move |request| respond(shared.clone(), caller.clone(), request),
        lines: LineDecoder::new(longest),
        longest,
        out: WriteBuffer::default(),
        calls: FuturesUnordered::new(),
        subscriptions: SelectAll::new(),
        hangup: None,
        ids: HashSet::new(),
        ordered_busy: false,
        ordered_queue: VecDeque::new(),
        at_end: false,
        stopped: false,
        last_words: None,
    };
    connection.run(stream, stop).await
}

/// A connection; `respond` starts a call, which is a future of type `F`.
struct Connection<R, F> {
    server: Arc<ServerContext>,
    client: Client,
    /// Tells calls that are cancelled with their client.
    gone: watch::Sender<bool>,
    respond: R,
    lines: LineDecoder,
    /// The longest line.
    longest: usize,
    /// What the client has not read.
    out: WriteBuffer,
    calls: FuturesUnordered<F>,
    /// Requests with events.
    subscriptions: SelectAll<BoxStream<'static, EventLines>>,
    /// Notices that the client closed its socket; made for the first request with events.
    hangup: Option<AsyncFd<OwnedFd>>,
    /// The ids of requests in progress.
    ids: HashSet<Id>,
    /// Whether a request without an id is in progress. They run one after the other, so that their responses keep
    /// their order.
    ordered_busy: bool,
    /// Requests without an id that wait, and errors that wait for their place among the responses.
    ordered_queue: VecDeque<Result<Request, Box<Problem>>>,
    /// The client sends nothing more.
    at_end: bool,
    /// The server stops.
    stopped: bool,
    /// The error with which the connection ends.
    last_words: Option<Problem>,
}

impl<R, F> Connection<R, F>
where
    R: Fn(Request) -> F,
    F: Future<Output = Response>,
{
    async fn run(mut self, mut stream: UnixStream, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let (mut from, mut to) = stream.split();
        let mut stopping = pin!(shutdown_requested(&mut stop));
        loop {
            let lines_left = self.accept_lines(from.as_ref())?;
            let over = self.stopped || self.last_words.is_some() || (self.at_end && !lines_left);
            if over && self.calls.is_empty() && self.subscriptions.is_empty() {
                break;
            }
            let reads = !over && !self.at_end && self.has_room();
            let line_deadline = self.lines.deadline().filter(|_| reads);
            let below_high_water = self.out.remaining() < WRITE_HIGH_WATER;
            tokio::select! {
                biased;
                Some(response) = self.calls.next(), if self.stopped || below_high_water => self.finish(response),
                written = to.write_buf(&mut self.out), if self.out.has_remaining() => drop(written?),
                Some(lines) = self.subscriptions.next(), if !self.subscriptions.is_empty() && below_high_water => {
                    self.publish(lines);
                }
                () = hung_up(self.hangup.as_ref()), if !self.subscriptions.is_empty() => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                read = from.read_buf(self.lines.room()), if reads => self.received(read?),
                () = &mut stopping, if !self.stopped => self.stopped = true,
                () = async { sleep_until(line_deadline.unwrap_or_else(Instant::now)).await },
                    if line_deadline.is_some() => self.last_words = Some(too_slow()),
            }
        }
        self.close(from, to).await
    }

    fn has_room(&self) -> bool {
        self.calls.len() + self.subscriptions.len() + self.ordered_queue.len() < MAX_IN_FLIGHT
            && self.out.remaining() < WRITE_HIGH_WATER
    }

    /// Accepts whole lines while there is room for their requests. Returns whether whole lines may be left.
    fn accept_lines(&mut self, socket: &UnixStream) -> io::Result<bool> {
        while self.last_words.is_none() && !self.stopped && self.has_room() {
            match self.lines.next() {
                Ok(Some(line)) => {
                    tracing::trace!(bytes = line.len(), "line received");
                    match request::read(&line) {
                        Ok(request) => self.accept(request, socket)?,
                        Err(error) => self.reject(error),
                    }
                }
                Ok(None) => return Ok(false),
                Err(TooLong) => self.last_words = Some(too_long(self.longest)),
            }
        }
        Ok(true)
    }

    fn accept(&mut self, request: Request, socket: &UnixStream) -> io::Result<()> {
        if let Some(id) = &request.id
            && !self.ids.insert(id.clone())
        {
            self.out.push(reply::error(Some(id), &still_in_progress(id)));
            return Ok(());
        }
        match request.command {
            Command::Session(what) if request.options.has_events(what) => {
                if self.hangup.is_none() {
                    self.hangup = Some(watch_hangup(socket.as_fd().try_clone_to_owned()?)?);
                }
                self.subscriptions.push(subscribe(&self.server, &self.client, what, request).boxed());
            }
            _ if request.id.is_some() => self.calls.push((self.respond)(request)),
            _ if self.ordered_busy => self.ordered_queue.push_back(Ok(request)),
            _ => {
                self.ordered_busy = true;
                self.calls.push((self.respond)(request));
            }
        }
        Ok(())
    }

    fn reject(&mut self, error: RequestError) {
        match error {
            RequestError { id: None, problem } if self.ordered_busy => self.ordered_queue.push_back(Err(problem)),
            RequestError { id, problem } => self.out.push(reply::error(id.as_ref(), &problem)),
        }
    }

    /// A call has its response.
    fn finish(&mut self, response: Response) {
        let Response { id, line } = response;
        tracing::trace!(bytes = line.len(), "line sent");
        self.out.push(line);
        match id {
            Some(id) => drop(self.ids.remove(&id)),
            None => self.ordered_busy = false,
        }
        while !self.ordered_busy
            && let Some(next) = self.ordered_queue.pop_front()
        {
            match next {
                Ok(request) => {
                    self.ordered_busy = true;
                    self.calls.push((self.respond)(request));
                }
                Err(problem) => self.out.push(reply::error(None, &problem)),
            }
        }
    }

    /// A request with events has lines to send.
    fn publish(&mut self, lines: EventLines) {
        match lines {
            EventLines::Some(lines) => self.out.push(Chunks::one(lines)),
            EventLines::End(Some(id)) => drop(self.ids.remove(&id)),
            EventLines::End(None) => {}
        }
    }

    /// Bytes have come, or the end.
    fn received(&mut self, bytes: usize) {
        if bytes == 0 {
            self.at_end = true;
            self.gone.send_replace(true);
        }
    }

    /// Sends what is left, and closes the connection.
    async fn close(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        if let Some(problem) = &self.last_words {
            self.out.push(reply::error(None, problem));
        }
        timeout(FLUSH_TIMEOUT, to.write_all_buf(&mut self.out)).await??;
        if self.last_words.is_some() {
            // A client that is still sending could not read the error if the socket were closed at once.
            to.shutdown().await?;
            let _ = timeout(FLUSH_TIMEOUT, async {
                while from.read_buf(self.lines.room()).await.is_ok_and(|read| read > 0) {
                    self.lines.clear();
                }
            })
            .await;
        }
        Ok(())
    }
}

fn watch_hangup(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` stands for one open descriptor, the same as long as it lives, and `AsyncFd` drops it only
    // after it is deregistered.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::PRIORITY) }?)
}

/// Returns when the client has closed its socket, which is more than having sent all that it has to send.
async fn hung_up(socket: Option<&AsyncFd<OwnedFd>>) {
    match socket {
        // Only a hang-up can wake it: a socket of this kind has no urgent data.
        Some(socket) => drop(socket.ready(Interest::PRIORITY).await),
        None => std::future::pending().await,
    }
}

fn still_in_progress(id: &Id) -> Problem {
    let id = String::from_utf8_lossy(id);
    Problem::new(ErrorCode::InvalidRequest, format!("the id {id} is that of a request which is still under way"))
}

fn too_long(longest: usize) -> Problem {
    let detail =
        format!("the line is longer than {longest} bytes, the most that this server takes; the connection ends");
    Problem::new(ErrorCode::BodyTooLarge, detail)
}

fn too_slow() -> Problem {
    let detail = format!("the line did not arrive within {} seconds; the connection ends", LINE_TIMEOUT.as_secs());
    Problem::new(ErrorCode::RequestTimeout, detail)
}
