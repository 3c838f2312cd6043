//! Serving a pipe: its link, its connections, and who may connect.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use beep_python_peer::is_in_own_user_namespace;
use beep_python_protocol::Problem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::Instrument;

use crate::accept::serve_all;
use crate::auth::AccessDenied;
use crate::auth::Peer;
use crate::auth::client::Client;
use crate::bounds::ConnectionPlace;
use crate::server_context::ServerContext;
use crate::spans;
use crate::stage::{Stage, closing};
use crate::unix_socket::connection::{self, FLUSH_TIMEOUT};
use crate::unix_socket::dotnet_link::{Pipe, ensure_link};
use crate::unix_socket::reply;

/// How often the link is checked.
const LINK_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Serves a pipe until the server closes; then removes its files, finishes the requests in progress, and returns.
pub async fn serve(pipe: Pipe, server: Arc<ServerContext>, stage: watch::Receiver<Stage>) -> io::Result<()> {
    let listener = UnixListener::from_std(pipe.listener.try_clone()?)?;
    let keeping = tokio::spawn(keep_link(pipe, stage.clone()));
    let stages = stage.clone();
    let bounds = server.bounds.clone();
    let serve = move |stream, place| serve_connection(stream, place, server.clone(), stages.clone());
    serve_all(vec![listener], &bounds, stage, serve).await;
    let _ = keeping.await;
    Ok(())
}

/// Restores the link whenever it is gone. When the server closes, the link goes before the socket, unless a successor has both.
async fn keep_link(pipe: Pipe, mut stage: watch::Receiver<Stage>) {
    let mut check = interval(LINK_CHECK_INTERVAL);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = closing(&mut stage) => break,
            _ = check.tick() => pipe.link.iter().for_each(|link| ensure_link(link, pipe.socket())),
        }
    }
    if stage.borrow().has_successor() {
        pipe.leave();
    }
}

async fn serve_connection(
    stream: UnixStream,
    place: Arc<ConnectionPlace>,
    server: Arc<ServerContext>,
    stage: watch::Receiver<Stage>,
) {
    let ended = match stream.peer_cred() {
        Ok(peer) if Peer::of_user(peer.uid()) != Peer::SameUser => {
            reject_peer(stream, AccessDenied::User, Peer::of_user(peer.uid())).await
        }
        Ok(peer) => match is_in_own_user_namespace(peer.pid()) {
            Some(false) => reject_peer(stream, AccessDenied::Namespace, Peer::UnknownOnLoopback).await,
            own => {
                let who = if own.is_some() { Peer::SameUser } else { Peer::UnknownOnLoopback };
                let Some(pending) = server.access.accept(who, None) else { return };
                let span = spans::connection("pipe", format_args!("process {}", peer.pid().unwrap_or_default()));
                connection::run(stream, place, server, pending, stage).instrument(span).await
            }
        },
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

async fn reject_peer(mut stream: UnixStream, denied: AccessDenied, peer: Peer) -> io::Result<()> {
    let problem = Problem::from(denied);
    let line = reply::denied(&problem, Client { peer, address: None }).contiguous();
    timeout(FLUSH_TIMEOUT, async {
        stream.write_all(&line).await?;
        stream.shutdown().await?;
        // A client that is still sending could not read the error if the socket were closed at once.
        while stream.read(&mut [0; 1024]).await? > 0 {}
        Ok(())
    })
    .await?
}

#[cfg(test)]
mod tests {
    use beep_python_runtime::platform::Home;

    use super::*;
    use crate::stage::ListeningSockets;
    use crate::unix_socket::{PipeName, bind_pipe};

    #[tokio::test(start_paused = true)]
    async fn removed_link_is_restored_and_goes_on_shutdown() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let bound = bind_pipe(&home, &PipeName::random().unwrap()).unwrap();
        let pipe = Pipe::open(bound.into_listener().unwrap()).unwrap();
        let (link, socket) = (pipe.link.clone().unwrap(), pipe.socket().to_owned());
        let (stage, stages) = watch::channel(Stage::Serving);
        let keeping = tokio::spawn(keep_link(pipe, stages));
        tokio::time::sleep(LINK_CHECK_INTERVAL / 2).await;
        for _ in 0..2 {
            std::fs::remove_file(&link).unwrap();
            tokio::time::sleep(LINK_CHECK_INTERVAL).await;
            assert_eq!(std::fs::read_link(&link).unwrap(), socket);
        }
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&link, "somebody else's by now").unwrap();
        tokio::time::sleep(LINK_CHECK_INTERVAL).await;
        stage.send(Stage::Closing(ListeningSockets::Kept)).unwrap();
        keeping.await.unwrap();
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "somebody else's by now");
        std::fs::remove_file(&link).unwrap();
        assert!(!socket.exists());
    }
}
