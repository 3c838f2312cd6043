//! Connections: HTTP/2 and HTTP/1.1 on one port, and the door in front of everything.

use std::convert::Infallible;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem};
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::body::{InFlightBody, RpcBody};
use super::health_reflection::HealthReflection;
use super::{grpc, pascal_json};
use crate::server_context::ServerContext;
use crate::accept::{serve_all, shutdown_requested};
use crate::auth::{Media, PendingConnection, Peer};
use crate::web::response as answer;
use crate::http::connection::IDLE_LIMIT;
use crate::rejection_log;

/// How a connection begins that speaks HTTP/2.
const HTTP2_BEGINNING: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No request of HTTP/1.1 begins with as many of the same bytes.
const TELLING_BYTES: usize = 3;
/// How long the rest of it is waited for, before the socket is looked at again.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How many requests of one connection are served at once.
const MAX_STREAMS: u32 = 256;
/// Windows that hold large arrays, so that they need not wait for a word from the other side.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const MAX_FRAME_BYTES: u32 = 256 << 10;
/// An idle connection whose other side does not answer is closed.
const PING_EVERY: Duration = Duration::from_secs(60);
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// A client that asks for nothing more is waited for no longer than this when the server stops.
const GOODBYE_WITHIN: Duration = Duration::from_millis(500);

/// Serves RPC on these sockets until `stop` says true; then finishes the requests under way, and returns.
pub async fn serve(listeners: Vec<StdListener>, host: Arc<ServerContext>, stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let standard = Arc::new(HealthReflection::new().await);
    let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<Result<Vec<_>, _>>()?;
    let stopping = stop.clone();
    let serve = move |stream| connection(stream, host.clone(), standard.clone(), stopping.clone());
    serve_all(listeners, stop, serve).await;
    Ok(())
}

async fn connection(stream: TcpStream, host: Arc<ServerContext>, standard: Arc<HealthReflection>, mut stop: watch::Receiver<bool>) {
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let peer = Peer::of(local, remote);
    let Some(pending) = host.access.accept(peer).map(Arc::new) else { return };
    let _ = stream.set_nodelay(true);
    let beginning = tokio::select! {
        beginning = tokio::time::timeout(IDLE_LIMIT, speaks_http2(&stream)) => beginning,
        () = pending.auth_deadline() => return,
        () = shutdown_requested(&mut stop) => return,
    };
    let Ok(Ok(http2)) = beginning else { return };
    let stopping = stop.clone();
    // Every request under way holds a clone.
    let busy = Arc::new(());
    let requests = busy.clone();
    let entering = pending.clone();
    let service = service_fn(move |request| {
        let (host, standard, stopping) = (host.clone(), standard.clone(), stopping.clone());
        let pending = entering.clone();
        let _busy = requests.clone();
        async move {
            let answer = answer_to(&host, &standard, peer, &pending, request, stopping).await;
            Ok::<_, Infallible>(answer.map(|body| InFlightBody { body, _busy }))
        }
    });
    let idle = async {
        loop {
            tokio::time::sleep(GOODBYE_WITHIN).await;
            // Here, and in the service.
            if Arc::strong_count(&busy) <= 2 {
                break;
            }
        }
    };
    // The two kinds of connection have the same methods and no trait in common.
    macro_rules! drive {
        ($serving:expr) => {{
            let serving = $serving;
            tokio::pin!(serving);
            tokio::select! {
                ended = serving.as_mut() => ended,
                () = pending.auth_deadline() => return,
                () = shutdown_requested(&mut stop) => {
                    serving.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = serving => ended,
                        () = idle => Ok(()),
                    }
                }
            }
        }};
    }
    let stream = TokioIo::new(stream);
    let ended = if http2 {
        drive!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .auto_date_header(false)
                .initial_stream_window_size(STREAM_WINDOW_BYTES)
                .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
                .max_frame_size(MAX_FRAME_BYTES)
                .max_concurrent_streams(MAX_STREAMS)
                .keep_alive_interval(PING_EVERY)
                .keep_alive_timeout(PONG_WITHIN)
                .serve_connection(stream, service)
        )
    } else {
        drive!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE_LIMIT)
                .serve_connection(stream, service)
        )
    };
    if let Err(error) = ended {
        rejection_log::log_disconnect(&error);
    }
}

/// Looks at the first bytes of a connection, without taking them. Returns once they tell: nobody else would limit the time
/// that the beginning of HTTP/2 may take to arrive.
async fn speaks_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut seen = [0; HTTP2_BEGINNING.len()];
    let mut wait = FIRST_WAIT;
    loop {
        match stream.peek(&mut seen).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n if n < seen.len() && HTTP2_BEGINNING.starts_with(&seen[..n]) => {
                // A part without the rest is rare, and the socket cannot wait for more than it has by itself.
                tokio::time::sleep(wait).await;
                wait = (2 * wait).min(LONGEST_WAIT);
            }
            n => return Ok(n >= TELLING_BYTES && seen[..TELLING_BYTES] == HTTP2_BEGINNING[..TELLING_BYTES]),
        }
    }
}

/// Every request passes here: first the door, then the route.
async fn answer_to(
    host: &ServerContext,
    standard: &HealthReflection,
    peer: Peer,
    pending: &PendingConnection,
    request: Request<Incoming>,
    stopping: watch::Receiver<bool>,
) -> Response<RpcBody> {
    let (parts, body) = request.into_parts();
    let media = Media::of(&parts.headers);
    if let Err(refusal) = host.access.authorize_media(media, peer, parts.version, &parts.method, &parts.uri, &parts.headers) {
        let problem = Problem::from(refusal);
        return match media {
            Media::Grpc => grpc::refuse(&problem, &parts.headers),
            Media::Json => answer::problem(&problem).map(RpcBody::Json),
        };
    }
    pending.mark_authenticated();
    match media {
        Media::Grpc if parts.version < Version::HTTP_2 => {
            let problem =
                Problem::new(ErrorCode::UnsupportedMediaType, "gRPC needs HTTP/2; this request came over HTTP/1.1");
            answer::problem(&problem).map(RpcBody::Json)
        }
        Media::Grpc => match standard.find(parts.uri.path()) {
            Some(service) => service(Request::from_parts(parts, body)).await.map(|stream| RpcBody::Standard {
                stream,
                stopping: Box::pin(async move { shutdown_requested(&mut { stopping }).await }),
            }),
            None => grpc::answer(host, &parts, body).await,
        },
        Media::Json => pascal_json::answer(host, &parts, body).await,
    }
}
