//! Accepting connections on the sockets of a backend until the server stops.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bounds::{Bounds, ConnectionPlace, KEPT_BACK_HEAD_TIME, KEPT_BACK_TIME};
use crate::line_budget::within_budget;
use crate::peer_shares::PeerKey;
use crate::stage::{Stage, reached};

/// How many connections may wait to be accepted; the system may allow fewer.
pub(crate) const BACKLOG: i32 = 1024;
/// How long a connection may be idle. Existing clients keep an idle connection for a minute and do not repeat a request
/// on one that was closed. Hyper counts the time between requests towards the time to read a header.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// A socket that accepts connections.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: Send;

    /// Accepts the next connection; whose it is.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, PeerKey)>> + Send;

    /// Returns once something can be read of a connection.
    fn readable(stream: &Self::Stream) -> impl Future<Output = io::Result<()>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, PeerKey)> {
        self.accept().await.map(|(stream, address)| (stream, PeerKey::of(address.ip())))
    }

    fn readable(stream: &TcpStream) -> impl Future<Output = io::Result<()>> + Send {
        stream.readable()
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, PeerKey)> {
        let (stream, _) = self.accept().await?;
        let user = stream.peer_cred()?.uid();
        Ok((stream, PeerKey::User(user)))
    }

    fn readable(stream: &UnixStream) -> impl Future<Output = io::Result<()>> + Send {
        stream.readable()
    }
}

/// Gives each connection to `serve`, in a task of its own and with its place, until the server accepts no more; then closes the sockets,
/// and returns when every connection has ended.
pub(crate) async fn serve_all<L, S, F>(listeners: Vec<L>, bounds: &Arc<Bounds>, stage: watch::Receiver<Stage>, serve: S)
where
    L: Listener,
    S: Fn(L::Stream, Arc<ConnectionPlace>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(listener, bounds.clone(), stage.clone(), open.clone(), serve.clone()));
    }
    drop(open);
    while accepting.join_next().await.is_some() {}
    all_closed.recv().await; // every connection holds a sender
}

async fn accept<L, S, F>(
    listener: L,
    bounds: Arc<Bounds>,
    mut stage: watch::Receiver<Stage>,
    open: mpsc::Sender<Infallible>,
    serve: S,
) where
    L: Listener,
    S: Fn(L::Stream, Arc<ConnectionPlace>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = async {
                let (stream, peer) = listener.next().await?;
                Ok::<_, io::Error>((stream, bounds.admit(peer).await))
            } => accepted,
            () = reached(&mut stage, |stage| !stage.accepts()) => return,
        };
        match accepted {
            Ok((stream, Some(place))) => {
                let (serve, open) = (serve.clone(), open.clone());
                tokio::spawn(async move {
                    serve_in_place::<L, _, _>(stream, place, serve).await;
                    drop(open);
                });
            }
            Ok((_, None)) => {}
            Err(error) => {
                // Out of descriptors, as a rule: those that are open may close while we wait.
                within_budget("not_accepted", || tracing::warn!("a connection could not be accepted: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A connection in a place that is kept back lasts for a moment only, so that the next one finds it.
async fn serve_in_place<L, S, F>(stream: L::Stream, mut place: ConnectionPlace, serve: S)
where
    L: Listener,
    S: Fn(L::Stream, Arc<ConnectionPlace>) -> F,
    F: Future<Output = ()>,
{
    if place.refusal().is_none() {
        return serve(stream, Arc::new(place)).await;
    }
    place.turn().await;
    if let Ok(Ok(())) = timeout(KEPT_BACK_HEAD_TIME, L::readable(&stream)).await {
        let _ = timeout(KEPT_BACK_TIME, serve(stream, Arc::new(place))).await;
    }
}
