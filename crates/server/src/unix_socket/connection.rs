//! A connection: lines in, calls in progress, lines out, all in one task.

mod requests;

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::Problem;
use beep_python_runtime::session::service::json::Chunks;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, FuturesUnordered, SelectAll};
use tokio::io::AsyncWriteExt;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::auth::{PendingConnection, Permissions};
use crate::bounds::ConnectionPlace;
use crate::server_context::ServerContext;
use crate::stage::{FIRST_REQUEST_TIME, Stage, closing};
use crate::unix_socket::descriptors::Descriptors;
use crate::unix_socket::incoming::{Incoming, hung_up, read};
use crate::unix_socket::line_decoder::LineDecoder;
use crate::unix_socket::receiving::Receiving;
use crate::unix_socket::refusals::too_slow;
use crate::unix_socket::reply;
use crate::unix_socket::request::{Id, Request};
use crate::unix_socket::respond::{Client, EventLines, Response, respond};
use crate::unix_socket::write_buffer::WriteBuffer;
use crate::web::panic::or_answer;

/// How many requests of one client are in progress at most; further ones wait unread in the socket.
const MAX_IN_FLIGHT: usize = 64;
/// With so many bytes that the client has not read, nothing more is done for it.
const WRITE_HIGH_WATER: u64 = 256 << 10;
/// How long the client may take to read the last responses.
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves a connection until its client ends it, breaks the protocol, or the server stops.
pub(super) async fn run(
    stream: UnixStream,
    place: Arc<ConnectionPlace>,
    server: Arc<ServerContext>,
    pending: PendingConnection,
    stage: watch::Receiver<Stage>,
) -> io::Result<()> {
    let longest = usize::try_from(server.access.max_body_bytes()).unwrap_or(usize::MAX);
    let (gone, client_gone) = watch::channel(false);
    let client = Client::new(client_gone);
    let lines = LineDecoder::new(longest, server.bodies.clone());
    let (shared, caller) = (server.clone(), client.clone());
    let connection = Connection {
        permissions: server.access.pipe_permissions(&pending),
        place,
        server,
        client,
        gone,
        // In a box, since `FuturesUnordered` moves what it takes several times.
        respond: move |request: Request| {
            let id = request.id.clone();
            let responding = respond(shared.clone(), caller.clone(), request);
            Box::pin(or_answer(responding, |panic| Response::error(id, &panic)))
        },
        lines,
        buffer: Vec::new(),
        descriptors: Descriptors::default(),
        receiving: None,
        longest,
        out: WriteBuffer::default(),
        calls: FuturesUnordered::new(),
        subscriptions: SelectAll::new(),
        hangup: None,
        ids: HashSet::new(),
        ordered_busy: false,
        ordered_queue: VecDeque::new(),
        at_end: false,
        has_asked: false,
        closes_at: None,
        stopped: false,
        last_words: None,
    };
    connection.run(stream, pending, stage).await
}

/// A connection; `respond` starts a call, which is a future of type `F`.
struct Connection<R, F> {
    place: Arc<ConnectionPlace>,
    server: Arc<ServerContext>,
    /// What the client may do; `None` until it has shown a token.
    permissions: Option<Permissions>,
    client: Client,
    /// Tells calls that are cancelled with their client.
    gone: watch::Sender<bool>,
    respond: R,
    lines: LineDecoder,
    /// What the last read gave.
    buffer: Vec<u8>,
    /// Descriptors that no line has claimed yet.
    descriptors: Descriptors,
    /// A request whose data are coming.
    receiving: Option<Receiving>,
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
    /// Whether a line has come.
    has_asked: bool,
    /// When no more lines are read, since the server closes.
    closes_at: Option<Instant>,
    /// No more lines are read, since the server closes.
    stopped: bool,
    /// The error with which the connection ends.
    last_words: Option<Problem>,
}

impl<R, F> Connection<R, F>
where
    R: Fn(Request) -> F,
    F: Future<Output = Response>,
{
    async fn run(
        mut self,
        stream: UnixStream,
        pending: PendingConnection,
        mut stage: watch::Receiver<Stage>,
    ) -> io::Result<()> {
        let mut closing = pin!(closing(&mut stage));
        let mut denied = pin!(pending.denied());
        loop {
            let lines_left = self.accept_lines(&stream, &pending)?;
            let over = self.stopped || self.last_words.is_some() || (self.at_end && !lines_left);
            if over && self.calls.is_empty() && self.subscriptions.is_empty() {
                break;
            }
            let reads = !over && !self.at_end && self.has_room();
            let line_deadline = self.read_deadline().filter(|_| reads);
            let below_high_water = self.out.remaining() < WRITE_HIGH_WATER;
            tokio::select! {
                biased;
                () = &mut denied, if pending.needs_token() => return Ok(()),
                Some(response) = self.calls.next(), if self.stopped || below_high_water => self.finish(response),
                written = self.out.write_to(&stream), if self.out.remaining() > 0 => written?,
                // `None` with the end of the last one: the loop looks again whether all is over.
                lines = self.subscriptions.next(), if !self.subscriptions.is_empty() && below_high_water => {
                    lines.into_iter().for_each(|lines| self.publish(lines));
                }
                () = hung_up(self.hangup.as_ref()), if !self.subscriptions.is_empty() => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                read = read(&stream, &mut self.buffer, self.receiving.is_some()), if reads => self.received(read?)?,
                () = &mut closing, if self.closes_at.is_none() => {
                    let patience = if self.has_asked { Duration::ZERO } else { FIRST_REQUEST_TIME };
                    self.closes_at = Some(Instant::now() + patience);
                }
                () = async { sleep_until(self.closes_at.unwrap_or_else(Instant::now)).await },
                    if self.closes_at.is_some() && !self.stopped => self.stopped = true,
                () = async { sleep_until(line_deadline.unwrap_or_else(Instant::now)).await },
                    if line_deadline.is_some() => self.last_words = Some(too_slow()),
            }
        }
        self.close(stream).await
    }

    fn has_room(&self) -> bool {
        self.calls.len() + self.subscriptions.len() + self.ordered_queue.len() < MAX_IN_FLIGHT
            && self.out.remaining() < WRITE_HIGH_WATER
    }

    /// A call has its response.
    fn finish(&mut self, response: Response) {
        let Response { id, line, data } = response;
        tracing::trace!(bytes = line.len(), "line sent");
        self.out.push_with(line, data);
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

    /// Bytes and descriptors have come, or the end.
    fn received(&mut self, read: Incoming) -> io::Result<()> {
        let Incoming { bytes, descriptors, truncated } = read;
        if bytes == 0 {
            self.at_end = true;
            if self.receiving.is_none() {
                self.lines.end();
            }
            self.gone.send_replace(true);
            return Ok(());
        }
        self.descriptors.push(descriptors, truncated)?;
        // Data go past the lines, without a copy.
        let taken = match &mut self.receiving {
            Some(receiving) if self.lines.rest().is_empty() => receiving.take(&self.buffer[..bytes]),
            _ => 0,
        };
        if let Err(full) = self.lines.push(&self.buffer[taken..bytes]) {
            let detail = format!("{}; the connection ends", full.detail);
            self.last_words = Some(Problem::new(full.code, detail));
        }
        Ok(())
    }

    /// Sends what is left, and closes the connection.
    async fn close(mut self, mut stream: UnixStream) -> io::Result<()> {
        if let Some(problem) = &self.last_words {
            self.out.push(reply::error(None, problem));
        }
        timeout(FLUSH_TIMEOUT, self.out.write_all_to(&stream)).await??;
        if self.last_words.is_some() {
            // A client that is still sending could not read the error if the socket were closed at once.
            stream.shutdown().await?;
            let _ = timeout(FLUSH_TIMEOUT, async {
                while read(&stream, &mut self.buffer, true).await.is_ok_and(|read| read.bytes > 0) {}
            })
            .await;
        }
        Ok(())
    }
}
