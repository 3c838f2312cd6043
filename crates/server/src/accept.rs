//! Accepting connections, the same for every backend over TCP.

use std::convert::Infallible;
use std::future::Future;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::door::Peer;

/// How many connections of a backend are served at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 4096;

/// A connection, and who is at its other end.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) remote: SocketAddr,
    pub(crate) peer: Peer,
}

/// Hands the connections of these sockets to `connection` until `stop` says true, and returns when the last has ended.
pub(crate) async fn serve<F, C>(
    listeners: Vec<StdListener>,
    stop: watch::Receiver<bool>,
    connection: F,
) -> std::io::Result<()>
where
    F: Fn(Accepted, watch::Receiver<bool>) -> C + Clone + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut accepting = tokio::task::JoinSet::new();
    for listener in listeners {
        let listener = TcpListener::from_std(listener)?;
        accepting.spawn(accept(listener, connection.clone(), places.clone(), stop.clone(), open.clone()));
    }
    drop(open);
    while accepting.join_next().await.is_some() {}
    all_closed.recv().await; // every connection holds a sender
    Ok(())
}

async fn accept<F, C>(
    listener: TcpListener,
    connection: F,
    places: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
    open: mpsc::Sender<Infallible>,
) where
    F: Fn(Accepted, watch::Receiver<bool>) -> C,
    C: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = async {
                let place = places.clone().acquire_owned().await.ok()?;
                Some((listener.accept().await, place))
            } => accepted,
            () = said(&mut stop) => return,
        };
        match accepted {
            Some((Ok((stream, remote)), place)) => {
                let Ok(local) = stream.local_addr() else { continue };
                let _ = stream.set_nodelay(true);
                let served = connection(Accepted { stream, remote, peer: Peer::of(local, remote) }, stop.clone());
                let open = open.clone();
                tokio::spawn(async move {
                    served.await;
                    drop((place, open));
                });
            }
            Some((Err(error), _)) => {
                // Out of descriptors, as a rule: those that are open may close while we wait.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None => return,
        }
    }
}

/// Returns when the server is to stop.
pub(crate) async fn said(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
