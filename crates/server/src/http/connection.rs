//! Connections: accepting them, and letting their requests through the door to their routes.

use std::convert::Infallible;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::body::HttpBody;
use super::route::Route;
use super::operation;
use crate::web::response as answer;
use crate::server_context::ServerContext;
use crate::accept::{serve_all, shutdown_requested};
use crate::auth::{PendingConnection, Peer};
use crate::rejection_log;
use beep_python_runtime::session::service::host_operation;
use beep_python_runtime::session::service::json::Chunks;

/// Existing clients keep an idle connection for a minute and do not repeat a request on one that was closed. Hyper
/// counts the time between requests towards the time to read a header.
pub(crate) const IDLE_LIMIT: Duration = Duration::from_secs(120);
/// How long a body may take to arrive.
const BODY_LIMIT: Duration = Duration::from_secs(120);
/// How long the rest of a body that is not wanted is read.
const DISCARD_LIMIT: Duration = Duration::from_secs(2);

/// Serves HTTP on these sockets until `stop` says true; then finishes the requests under way, and returns.
pub async fn serve(listeners: Vec<StdListener>, host: Arc<ServerContext>, stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<Result<Vec<_>, _>>()?;
    let stopping = stop.clone();
    serve_all(listeners, stop, move |stream| connection(stream, host.clone(), stopping.clone())).await;
    Ok(())
}

async fn connection(stream: TcpStream, host: Arc<ServerContext>, mut stop: watch::Receiver<bool>) {
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let peer = Peer::of(local, remote);
    let Some(pending) = host.access.accept(peer).map(Arc::new) else { return };
    let _ = stream.set_nodelay(true);
    let entering = pending.clone();
    let service = service_fn(move |request| {
        let (host, pending) = (host.clone(), entering.clone());
        async move { Ok::<_, Infallible>(answer_to(&host, peer, &pending, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = pending.auth_deadline() => return,
        () = shutdown_requested(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        rejection_log::log_disconnect(&error);
    }
}

/// Every request passes here.
async fn answer_to(host: &ServerContext, peer: Peer, pending: &PendingConnection, request: Request<Incoming>) -> Response<HttpBody> {
    let (parts, mut body) = request.into_parts();
    let answered = carry_out(host, peer, pending, &parts, &mut body).await;
    if !body.is_end_stream() {
        discard(&mut body, 2 * host.access.max_body_bytes()).await;
    }
    answered
}

/// Most clients read an answer only when they have sent their whole request: what an error leaves unread is read here.
async fn discard(body: &mut Incoming, most: u64) {
    let reading = async {
        let mut left = most;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(rest) = left.checked_sub(size) else { return };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(DISCARD_LIMIT, reading).await;
}

/// First the door, then the route.
async fn carry_out(
    host: &ServerContext,
    peer: Peer,
    pending: &PendingConnection,
    parts: &Parts,
    body: &mut Incoming,
) -> Response<HttpBody> {
    let whole = |response: Response<Chunks>| response.map(HttpBody::Whole);
    if let Err(refusal) = host.access.authorize_parts(peer, parts) {
        return whole(answer::problem(&Problem::from(refusal)));
    }
    pending.mark_authenticated();
    let path = parts.uri.path();
    let Some(route) = Route::find(path) else {
        return whole(answer::problem(&Problem::new(ErrorCode::UnknownOperation, format!("there is no route {path}"))));
    };
    // HEAD is GET without the body, which hyper leaves out.
    let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
    if !route.methods().contains(method) {
        return whole(answer::method_not_allowed(route.methods()));
    }
    let body = match read(body, method, host.access.max_body_bytes()).await {
        Ok(body) => body,
        Err(problem) => return whole(answer::problem(&problem)),
    };
    let answered = match (route, route.host_operation(method)) {
        (Route::Operation(what), _) => operation::answer(host, what, &parts.headers, body).await,
        (_, Some(what)) => host_operation::perform(&host.sessions, what, Route::session_id(path), &body)
            .await
            .map(answer::json)
            .map(whole),
        (_, None) => unreachable!("a route leads to a session or to the host"),
    };
    answered.unwrap_or_else(|problem| whole(answer::problem(&problem)))
}

/// The body of a request, unless it is too large or too late.
pub(crate) async fn read(body: &mut Incoming, method: &Method, limit: u64) -> Result<Bytes, Problem> {
    if method == Method::GET {
        return Ok(Bytes::new());
    }
    let limited = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
    match tokio::time::timeout(BODY_LIMIT, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than {limit} bytes, the most that this server takes");
            Err(Problem::new(ErrorCode::BodyTooLarge, detail))
        }
        Ok(Err(error)) => Err(Problem::new(ErrorCode::InvalidRequest, format!("the body did not arrive: {error}"))),
        Err(_) => {
            let detail = format!("the body did not arrive within {} seconds", BODY_LIMIT.as_secs());
            Err(Problem::new(ErrorCode::RequestTimeout, detail))
        }
    }
}
