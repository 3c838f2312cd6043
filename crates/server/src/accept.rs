//! Accepting connections on the sockets of a backend until the server stops.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::line_budget::within_budget;
use crate::stage::{Stage, reached};

/// How many connections may wait to be accepted; the system may allow fewer.
pub(crate) const BACKLOG: i32 = 1024;
/// How long a connection may be idle. Existing clients keep an idle connection for a minute and do not repeat a request
/// on one that was closed. Hyper counts the time between requests towards the time to read a header.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// How many connections a backend serves at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 4096;

/// The same where descriptors are few: the three backends together leave half of them to sessions, data and files.
fn max_connections() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    descriptors.map_or(MAX_CONNECTIONS, |limit| (limit / 6).clamp(1, MAX_CONNECTIONS))
}

/// A socket that accepts connections.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: Send;

    /// Accepts the next connection.
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

/// Gives each connection to `serve`, in a task of its own, until the server accepts no more; then closes the sockets, and returns
/// when every connection has ended.
pub(crate) async fn serve_all<L, S, F>(listeners: Vec<L>, stage: watch::Receiver<Stage>, serve: S)
where
    L: Listener,
    S: Fn(L::Stream) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    let permits = Arc::new(Semaphore::new(max_connections()));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(listener, permits.clone(), stage.clone(), open.clone(), serve.clone()));
    }
    drop(open);
    while accepting.join_next().await.is_some() {}
    all_closed.recv().await; // every connection holds a sender
}

async fn accept<L, S, F>(
    listener: L,
    permits: Arc<Semaphore>,
    mut stage: watch::Receiver<Stage>,
    open: mpsc::Sender<Infallible>,
    serve: S,
) where
    L: Listener,
    S: Fn(L::Stream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = async {
                let permit = permits.clone().acquire_owned().await.ok()?;
                Some((listener.next().await, permit))
            } => accepted,
            () = reached(&mut stage, |stage| !stage.accepts()) => return,
        };
        match accepted {
            Some((Ok(stream), permit)) => {
                let (serving, open) = (serve(stream), open.clone());
                tokio::spawn(async move {
                    serving.await;
                    drop((permit, open));
                });
            }
            Some((Err(error), _)) => {
                // Out of descriptors, as a rule: those that are open may close while we wait.
                within_budget("not_accepted", || tracing::warn!("a connection could not be accepted: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None => return,
        }
    }
}
