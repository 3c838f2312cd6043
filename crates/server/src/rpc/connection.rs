//! Connections: HTTP/2 and HTTP/1.1 on one port, with authorization in front of everything.

use std::convert::Infallible;
use std::net::TcpListener as StdListener;
use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem};
use http::request::Parts;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::Instrument;

use crate::accept::{IDLE_TIMEOUT, serve_all};
use crate::auth::client::Client;
use crate::auth::media::Media;
use crate::auth::pending_connection::PendingConnection;
use crate::auth::{Authorized, Peer};
use crate::bounds::ConnectionPlace;
use crate::rpc::body::RpcBody;
use crate::rpc::health_reflection::HealthReflection;
use crate::rpc::{grpc, pascal_json};
use crate::server_context::ServerContext;
use crate::spans;
use crate::stage::{Stage, closing};
use crate::web::admission::{admit, part};
use crate::web::body::RequestBody;
use crate::web::connection::{begin, drive, http2_builder};
use crate::web::cors;
use crate::web::half_closed::{HalfClosing, InFlightBody, UnderWay};
use crate::web::panic::or_answer;
use crate::web::response;

/// Serves RPC on these sockets until the server closes; then finishes the requests in progress, and returns.
pub async fn serve(
    listeners: Vec<StdListener>,
    server: Arc<ServerContext>,
    stage: watch::Receiver<Stage>,
) -> std::io::Result<()> {
    let standard = Arc::new(HealthReflection::new().await);
    let (telling, sessions) = (standard.clone(), server.sessions.clone());
    let telling = tokio::spawn(async move { telling.follow(&sessions).await });
    let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<Result<Vec<_>, _>>()?;
    let stages = stage.clone();
    let bounds = server.bounds.clone();
    let serve = move |stream, place| serve_connection(stream, place, server.clone(), standard.clone(), stages.clone());
    serve_all(listeners, &bounds, stage, serve).await;
    telling.abort();
    Ok(())
}

async fn serve_connection(
    stream: TcpStream,
    place: Arc<ConnectionPlace>,
    server: Arc<ServerContext>,
    standard: Arc<HealthReflection>,
    mut stage: watch::Receiver<Stage>,
) {
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let peer = Peer::of(local, remote);
    let Some(pending) = server.access.accept(peer, Some(remote.ip())).map(Arc::new) else { return };
    let span = spans::connection("rpc", remote);
    let _ = stream.set_nodelay(true);
    let head_time = place.head_time(IDLE_TIMEOUT);
    let beginning = begin(stream, server.tls.as_ref(), &pending, &mut stage, head_time);
    let Some((stream, http2)) = beginning.await else { return };
    let stages = stage.clone();
    let under_way = UnderWay::default();
    let requests = under_way.clone();
    let authenticating = pending.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (server, standard, stage) = (server.clone(), standard.clone(), stages.clone());
        let (pending, place) = (authenticating.clone(), place.clone());
        let _under_way = requests.begin();
        async move {
            let origin = server.access.allowed_origin(request.headers());
            let (request_place, refused) = admit(&server.bounds, &place, request.uri().path());
            let handling = handle_request(&server, &standard, peer, &pending, request, refused.as_ref(), stage.clone());
            let mut response = handling.await;
            if !http2 {
                part(&mut response, &place, &stage);
            }
            if let Some(origin) = origin {
                cors::let_read(&mut response, origin);
            }
            Ok::<_, Infallible>(response.map(|body| InFlightBody { body, _under_way, _place: request_place }))
        }
    });
    if http2 {
        let serving = http2_builder(span.clone()).serve_connection(TokioIo::new(stream), service);
        drive(serving, &pending, &under_way, stage).instrument(span).await;
    } else {
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_time)
            .serve_connection(TokioIo::new(HalfClosing::new(stream, (local, remote), &under_way)), service);
        drive(serving, &pending, &under_way, stage).instrument(span).await;
    }
}

/// Every request passes here: it is authorized first, then handed to its route.
async fn handle_request(
    server: &ServerContext,
    standard: &HealthReflection,
    peer: Peer,
    pending: &PendingConnection,
    request: Request<Incoming>,
    refused: Option<&Problem>,
    stage: watch::Receiver<Stage>,
) -> Response<RpcBody> {
    let (parts, body) = request.into_parts();
    let mut body = RequestBody::new(body);
    let response = match refused {
        Some(refused) => refuse(refused, &parts),
        None => authorize_and_route(server, standard, peer, pending, &parts, &mut body, stage).await,
    };
    // Clients of gRPC read the status while they send, and their streams may stay open for long.
    if Media::of(&parts.headers) != Media::Grpc {
        body.discard(&parts.headers, 2 * server.access.max_body_bytes()).await;
    }
    response
}

/// An error in the form that the request asks for.
fn refuse(problem: &Problem, parts: &Parts) -> Response<RpcBody> {
    match Media::of(&parts.headers) {
        Media::Grpc => grpc::reject(problem, &parts.headers),
        Media::Json | Media::Data => response::problem(problem).map(RpcBody::Json),
    }
}

/// The same, of a client that was not let in.
fn deny(problem: &Problem, parts: &Parts, client: Client) -> Response<RpcBody> {
    match Media::of(&parts.headers) {
        Media::Grpc => grpc::deny(problem, &parts.headers, client),
        Media::Json | Media::Data => response::denied(problem, client).map(RpcBody::Json),
    }
}

async fn authorize_and_route(
    server: &ServerContext,
    standard: &HealthReflection,
    peer: Peer,
    pending: &PendingConnection,
    parts: &Parts,
    body: &mut RequestBody,
    stage: watch::Receiver<Stage>,
) -> Response<RpcBody> {
    if cors::is_preflight(parts) && server.access.allowed_origin(&parts.headers).is_some() {
        let authorized = server.access.authorize_preflight(peer, parts).map_err(Problem::from);
        let answer = authorized.map(|()| cors::preflight(&parts.headers));
        return answer.unwrap_or_else(|denied| response::denied(&denied, pending.client())).map(RpcBody::Json);
    }
    let media = Media::of(&parts.headers);
    let authorized =
        server.access.authorize_media(media, peer, parts.version, &parts.method, &parts.uri, &parts.headers);
    let Authorized { charset, token, permissions } = match authorized {
        Ok(authorized) => authorized,
        Err(denied) => {
            return deny(&Problem::from(denied), parts, pending.client());
        }
    };
    pending.mark_authenticated(token.as_ref());
    match media {
        Media::Grpc if parts.version < Version::HTTP_2 => {
            let problem =
                Problem::new(ErrorCode::UnsupportedMediaType, "gRPC needs HTTP/2; this request came over HTTP/1.1");
            response::problem(&problem).map(RpcBody::Json)
        }
        Media::Grpc => match standard.find(parts.uri.path()) {
            Some(service) => {
                standard.refresh(parts.uri.path(), &server.sessions).await;
                service(Request::from_parts(parts.clone(), body.take())).await.map(|stream| RpcBody::Standard {
                    stream,
                    closing: Box::pin(async move { closing(&mut { stage }).await }),
                })
            }
            // In a box, since hyper moves the future of a request several times.
            None => Box::pin(grpc::respond(server, permissions, parts, body.take())).await,
        },
        Media::Json | Media::Data => {
            let responding = pascal_json::respond(server, permissions, parts, charset, body);
            Box::pin(or_answer(responding, |panic| response::problem(&panic).map(RpcBody::Json))).await
        }
    }
}
