//! A connection: lines in, calls under way, lines out, all in one task.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use beep_python_protocol::message::{CancelOutcome, CancelResponse};
use beep_python_protocol::{ErrorCode, HostOperation, Operation, Problem};
use beep_python_runtime::session::RequestId;
use bytes::{Buf, Bytes};
use futures_util::stream::{self, FuturesUnordered, SelectAll};
use futures_util::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::Pipe;
use super::line_decoder::{LINE_LIMIT, LineDecoder, TooLong};
use super::dotnet_link::ensure_link;
use super::write_buffer::WriteBuffer;
use super::request::{self, Command, Id, RequestError, Request};
use crate::server_context::ServerContext;
use crate::accept::{serve_all, shutdown_requested};
use crate::auth::{Peer, AccessDenied};
use crate::events::batch;
use beep_python_runtime::session::service::json::{ArrayFormat, Chunks, EncodedResponse, encode_response};
use beep_python_runtime::session::service::{host_operation, operation};

/// How many requests of one client are under way at most; further ones wait unread in the socket.
const MAX_IN_FLIGHT: usize = 64;
/// From so many bytes that the client has not fetched on, nothing more is done for it.
const WRITE_HIGH_WATER: usize = 256 << 10;
/// How long the last answers may take to be fetched.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// The number of the next connection.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
/// How often the link is looked after.
const LINK_CHECK: Duration = Duration::from_secs(10);

/// Serves a pipe until `stop` says true; then removes its files, finishes the requests under way, and returns.
pub async fn serve(pipe: Pipe, host: Arc<ServerContext>, stop: watch::Receiver<bool>) -> io::Result<()> {
    let listener = UnixListener::from_std(pipe.listener.try_clone()?)?;
    let keeping = tokio::spawn(keep(pipe, stop.clone()));
    let stopping = stop.clone();
    serve_all(vec![listener], stop, move |stream| connection(stream, host.clone(), stopping.clone())).await;
    let _ = keeping.await;
    Ok(())
}

/// Sees to it that the link is there, and that it is gone before the socket is closed.
async fn keep(pipe: Pipe, mut stop: watch::Receiver<bool>) {
    let mut check = interval(LINK_CHECK);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown_requested(&mut stop) => return,
            _ = check.tick() => ensure_link(&pipe.link, pipe.socket()),
        }
    }
}

async fn connection(stream: UnixStream, host: Arc<ServerContext>, stop: watch::Receiver<bool>) {
    let ended = match stream.peer_cred().map(|peer| Peer::of_user(peer.uid())) {
        Ok(Peer::SameUser) => converse(stream, &host, stop).await,
        Ok(_) => reject_peer(stream).await,
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

async fn reject_peer(mut stream: UnixStream) -> io::Result<()> {
    let answer = request::refusal(None, &Problem::from(AccessDenied::User)).contiguous();
    timeout(FLUSH_TIMEOUT, stream.write_all(&answer)).await?
}

/// Who sends the requests of a connection.
#[derive(Clone)]
struct Client {
    /// The connection's number, no other's.
    number: u64,
    /// Says true when it will send nothing more.
    gone: watch::Receiver<bool>,
}

/// Cancels a request of this connection by its `id`, else any by its `requestId`.
async fn cancel(host: &ServerContext, client: &Client, payload: &Bytes) -> Result<Vec<u8>, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named<'a> {
        #[serde(borrow)]
        request_id: &'a RawValue,
        #[serde(default)]
        grace_ms: Option<u64>,
    }
    if let Ok(Named { request_id, grace_ms }) = serde_json::from_slice(payload) {
        let name = RequestId::on_connection(client.number, payload.slice_ref(request_id.get().as_bytes()));
        let outcome = host.sessions.cancel(&name, grace_ms.map(Duration::from_millis)).await;
        if outcome != CancelOutcome::NotFound || !request_id.get().starts_with('"') {
            return Ok(serde_json::to_vec(&CancelResponse { outcome }).unwrap_or_default());
        }
    }
    host_operation::perform(&host.sessions, HostOperation::Cancel, None, payload).await
}

/// A request that has its answer.
struct Answered {
    id: Option<Id>,
    line: Chunks,
}

/// Part of the lines of a request that is followed.
enum Line {
    Some(Bytes),
    /// There are no more.
    End(Option<Id>),
}

/// The lines of a request that is followed; the one line of one that cannot be.
fn follow(host: &ServerContext, client: &Client, what: Operation, request: Request) -> impl Stream<Item = Line> + Send + use<> {
    let Request { id, mut envelope, payload, .. } = request;
    if envelope.name.is_none() {
        envelope.name = id.clone().map(|id| RequestId::on_connection(client.number, id));
    }
    let lines = match operation::follow(&host.sessions, what, &envelope, payload) {
        Ok(events) => {
            let id = id.clone();
            batch(events, envelope.form, move |told, out| request::event(id.as_ref(), told, out)).boxed()
        }
        Err(problem) => stream::iter([request::refusal(id.as_ref(), &problem).contiguous()]).boxed(),
    };
    lines.map(Line::Some).chain(stream::iter([Line::End(id)]))
}

fn watch_end(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` stands for one open descriptor, the same as long as it lives, and `AsyncFd` drops it only
    // after it is deregistered.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::PRIORITY) }?)
}

/// Returns when the client has closed its socket, which is more than having said all that it has to say.
async fn hung_up(socket: Option<&AsyncFd<OwnedFd>>) {
    match socket {
        // Of all that can happen to it, only the end is waited for: a socket of this kind has no urgent data.
        Some(socket) => drop(socket.ready(Interest::PRIORITY).await),
        None => std::future::pending().await,
    }
}

async fn answer(host: Arc<ServerContext>, mut client: Client, request: Request) -> Answered {
    let Request { id, command, mut envelope, payload } = request;
    let composed = match command {
        Command::Session(what) => {
            if envelope.name.is_none() {
                envelope.name = id.clone().map(|id| RequestId::on_connection(client.number, id));
            }
            let carried_out = operation::carry_out(&host.sessions, what, &envelope, payload);
            let reply = match envelope.cancel_on_disconnect {
                false => carried_out.await,
                // Dropping a call that asks for it cancels it.
                true => tokio::select! {
                    reply = carried_out => reply,
                    () = shutdown_requested(&mut client.gone) => Err(Problem::new(ErrorCode::Cancelled, "the client is gone")),
                },
            };
            match reply {
                Ok(reply) => encode_response(reply, ArrayFormat::of(envelope.form)).await,
                Err(problem) => problem.into(),
            }
        }
        Command::Host(HostOperation::Cancel) => match cancel(&host, &client, &payload).await {
            Ok(json) => EncodedResponse::Json(Chunks::one(json)),
            Err(problem) => problem.into(),
        },
        Command::Host(what) => match host_operation::perform(&host.sessions, what, None, &payload).await {
            Ok(json) => EncodedResponse::Json(Chunks::one(json)),
            Err(problem) => problem.into(),
        },
    };
    Answered { line: request::answer(id.as_ref(), composed), id }
}

async fn converse(mut stream: UnixStream, host: &Arc<ServerContext>, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let mut watched = None;
    let mut followed = SelectAll::new();
    let (mut from, mut to) = stream.split();
    let mut stopping = pin!(shutdown_requested(&mut stop));
    let longest = usize::try_from(host.access.max_body_bytes()).unwrap_or(usize::MAX);
    let mut lines = LineDecoder::new(longest);
    let mut out = WriteBuffer::default();
    let mut calls = FuturesUnordered::new();
    let mut ids = HashSet::new();
    // Requests without an id are carried out one after the other, so that their answers keep their order.
    let (mut ordered_busy, mut waiting) = (false, VecDeque::new());
    let (mut at_end, mut stopped) = (false, false);
    let mut last_words = None;
    let (gone, client_gone) = watch::channel(false);
    let client = Client { number: CONNECTIONS.fetch_add(1, Ordering::Relaxed), gone: client_gone };
    loop {
        let has_room = |calls: usize, waiting: usize, out: &WriteBuffer| {
            calls + waiting < MAX_IN_FLIGHT && out.remaining() < WRITE_HIGH_WATER
        };
        let mut whole_lines_left = true;
        while last_words.is_none() && !stopped && has_room(calls.len() + followed.len(), waiting.len(), &out) {
            match lines.next() {
                Ok(Some(line)) => match request::read(&line) {
                    Ok(request) => match &request.id {
                        Some(id) if !ids.insert(id.clone()) => {
                            let id = request.id;
                            out.push(request::refusal(id.as_ref(), &still_under_way(id.as_ref())));
                        }
                        _ if let Command::Session(what) = request.command
                            && request.envelope.is_followed(what) =>
                        {
                            if watched.is_none() {
                                watched = Some(watch_end(from.as_ref().as_fd().try_clone_to_owned()?)?);
                            }
                            followed.push(follow(host, &client, what, request).boxed());
                        }
                        None if ordered_busy => waiting.push_back(Ok(request)),
                        id => {
                            ordered_busy |= id.is_none();
                            calls.push(answer(host.clone(), client.clone(), request));
                        }
                    },
                    Err(RequestError { id: None, problem }) if ordered_busy => waiting.push_back(Err(problem)),
                    Err(RequestError { id, problem }) => out.push(request::refusal(id.as_ref(), &problem)),
                },
                Ok(None) => {
                    whole_lines_left = false;
                    break;
                }
                Err(TooLong) => last_words = Some(too_long(longest)),
            }
        }
        let over = stopped || last_words.is_some() || (at_end && !whole_lines_left);
        if over && calls.is_empty() && followed.is_empty() {
            break;
        }
        let hears = !over && !at_end && has_room(calls.len() + followed.len(), waiting.len(), &out);
        let due = lines.due().filter(|_| hears);
        tokio::select! {
            biased;
            Some(Answered { id, line }) = calls.next(), if stopped || out.remaining() < WRITE_HIGH_WATER => {
                out.push(line);
                match id {
                    Some(id) => drop(ids.remove(&id)),
                    None => ordered_busy = false,
                }
                while !ordered_busy && let Some(next) = waiting.pop_front() {
                    match next {
                        Ok(request) => {
                            ordered_busy = true;
                            calls.push(answer(host.clone(), client.clone(), request));
                        }
                        Err(problem) => out.push(request::refusal(None, &problem)),
                    }
                }
            }
            written = to.write_buf(&mut out), if out.has_remaining() => drop(written?),
            Some(line) = followed.next(), if !followed.is_empty() && out.remaining() < WRITE_HIGH_WATER => match line {
                Line::Some(line) => out.push(Chunks::one(line)),
                Line::End(id) => drop(id.map(|id| ids.remove(&id))),
            },
            () = hung_up(watched.as_ref()), if !followed.is_empty() => return Err(io::ErrorKind::BrokenPipe.into()),
            read = from.read_buf(lines.room()), if hears => {
                at_end = read? == 0;
                if at_end {
                    gone.send_replace(true);
                }
            }
            () = &mut stopping, if !stopped => stopped = true,
            () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                last_words = Some(too_slow());
            }
        }
    }
    if let Some(problem) = &last_words {
        out.push(request::refusal(None, problem));
    }
    timeout(FLUSH_TIMEOUT, to.write_all_buf(&mut out)).await??;
    if last_words.is_some() {
        // A client that is still sending could not read what it is told if the socket were closed at once.
        to.shutdown().await?;
        let _ = timeout(FLUSH_TIMEOUT, async {
            while from.read_buf(lines.room()).await.is_ok_and(|read| read > 0) {
                lines.clear();
            }
        })
        .await;
    }
    Ok(())
}

fn still_under_way(id: Option<&Id>) -> Problem {
    let id = id.map(|id| String::from_utf8_lossy(id).into_owned()).unwrap_or_default();
    Problem::new(ErrorCode::InvalidRequest, format!("the id {id} is that of a request which is still under way"))
}

fn too_long(longest: usize) -> Problem {
    let detail =
        format!("the line is longer than {longest} bytes, the most that this server takes; the connection ends");
    Problem::new(ErrorCode::BodyTooLarge, detail)
}

fn too_slow() -> Problem {
    let detail = format!("the line did not arrive within {} seconds; the connection ends", LINE_LIMIT.as_secs());
    Problem::new(ErrorCode::RequestTimeout, detail)
}

#[cfg(test)]
mod tests {
    use beep_python_runtime::platform::Home;

    use super::*;
    use crate::unix_socket::{PipeName, bind_pipe};

    #[tokio::test(start_paused = true)]
    async fn a_link_that_was_cleaned_away_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let bound = bind_pipe(&home, &PipeName::random().unwrap()).unwrap();
        let pipe = Pipe::open(bound.into_listener().unwrap()).unwrap();
        let (link, socket) = (pipe.link.clone(), pipe.socket().to_owned());
        let (stop, stopping) = watch::channel(false);
        let keeping = tokio::spawn(keep(pipe, stopping));
        tokio::time::sleep(LINK_CHECK / 2).await;
        for _ in 0..2 {
            std::fs::remove_file(&link).unwrap();
            tokio::time::sleep(LINK_CHECK).await;
            assert_eq!(std::fs::read_link(&link).unwrap(), socket);
        }
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&link, "somebody else's by now").unwrap();
        tokio::time::sleep(LINK_CHECK).await;
        stop.send(true).unwrap();
        keeping.await.unwrap();
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "somebody else's by now");
        std::fs::remove_file(&link).unwrap();
        assert!(!socket.exists());
    }
}
