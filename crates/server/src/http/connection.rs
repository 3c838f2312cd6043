//! Connections: accepting them, authorizing their requests and handing these to their routes.

use std::convert::Infallible;
use std::net::TcpListener as StdListener;
use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Operation, Problem};
use beep_python_runtime::session::service::host_operation::execute_host_operation;
use beep_python_runtime::session::service::json::Chunks;
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::Instrument;

use crate::accept::{IDLE_TIMEOUT, serve_all};
use crate::auth::media::Media;
use crate::auth::pending_connection::PendingConnection;
use crate::auth::{Authorized, Peer};
use crate::bounds::ConnectionPlace;
use crate::http::body::HttpBody;
use crate::http::route::Route;
use crate::http::{data, login, operation};
use crate::metrics::observed::observe;
use crate::metrics::page::page;
use crate::server_context::ServerContext;
use crate::spans;
use crate::stage::Stage;
use crate::traces::CallTrace;
use crate::transport::Transport;
use crate::web::admission::{admit, part};
use crate::web::body::{RequestBody, read_coded_body};
use crate::web::connection::{begin, drive, http2_builder};
use crate::web::content_coding::ContentCoding;
use crate::web::cors;
use crate::web::half_closed::{HalfClosing, InFlightBody, UnderWay};
use crate::web::panic::or_answer;
use crate::web::text::TextEncoding;
use crate::web::{call_options, response};

/// Serves HTTP on these sockets until the server closes; then finishes the requests in progress, and returns.
pub async fn serve(
    listeners: Vec<StdListener>,
    server: Arc<ServerContext>,
    stage: watch::Receiver<Stage>,
) -> std::io::Result<()> {
    let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<Result<Vec<_>, _>>()?;
    let stages = stage.clone();
    let bounds = server.bounds.clone();
    let serve = move |stream, place| serve_connection(stream, place, server.clone(), stages.clone());
    serve_all(listeners, &bounds, stage, serve).await;
    Ok(())
}

async fn serve_connection(
    stream: TcpStream,
    place: Arc<ConnectionPlace>,
    server: Arc<ServerContext>,
    mut stage: watch::Receiver<Stage>,
) {
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let peer = Peer::of(local, remote);
    let Some(pending) = server.access.accept(peer, Some(remote.ip())).map(Arc::new) else { return };
    let span = spans::connection("http", remote);
    let _ = stream.set_nodelay(true);
    let head_time = place.head_time(IDLE_TIMEOUT);
    let beginning = begin(stream, server.tls.as_ref(), &pending, &mut stage, head_time);
    let Some((stream, http2)) = beginning.await else { return };
    let authenticating = pending.clone();
    let under_way = UnderWay::default();
    let requests = under_way.clone();
    let stages = stage.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (server, pending, _under_way) = (server.clone(), authenticating.clone(), requests.begin());
        let (stage, place) = (stages.clone(), place.clone());
        async move {
            let (request_place, refused) = admit(&server.bounds, &place, request.uri().path());
            let handling = handle_request(&server, peer, &pending, request, refused.as_ref());
            let mut response = or_answer(handling, |panic| response::problem(&panic).map(HttpBody::Whole)).await;
            if !http2 {
                part(&mut response, &place, &stage);
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

/// Every request passes here.
async fn handle_request(
    server: &ServerContext,
    peer: Peer,
    pending: &PendingConnection,
    request: Request<Incoming>,
    refused: Option<&Problem>,
) -> Response<HttpBody> {
    let (parts, body) = request.into_parts();
    let mut body = RequestBody::new(body);
    let origin = server.access.allowed_origin(&parts.headers);
    let mut response = match (refused, origin.is_some() && cors::is_preflight(&parts)) {
        (Some(refused), _) => response::problem(refused).map(HttpBody::Whole),
        (None, false) => authorize_and_route(server, peer, pending, &parts, &mut body).await,
        (None, true) => match server.access.authorize_preflight(peer, &parts) {
            Ok(()) => cors::preflight(&parts.headers),
            Err(denied) => response::denied(&Problem::from(denied), pending.client()),
        }
        .map(HttpBody::Whole),
    };
    if let Some(origin) = origin {
        cors::let_read(&mut response, origin);
    }
    body.discard(&parts.headers, 2 * server.access.max_body_bytes()).await;
    response
}

async fn authorize_and_route(
    server: &ServerContext,
    peer: Peer,
    pending: &PendingConnection,
    parts: &Parts,
    body: &mut RequestBody,
) -> Response<HttpBody> {
    let whole = |response: Response<Chunks>| response.map(HttpBody::Whole);
    if let Some(shown) = login::shown(parts) {
        return whole(login::log_in(server, peer, pending, parts, shown));
    }
    let path = &*Route::decoded(parts.uri.path());
    let takes_data = Route::find(path) == Some(Route::Operation(Operation::Put));
    let media = if takes_data { Media::Data } else { Media::Json };
    let Authorized { charset, token, permissions } = match server.access.authorize_parts(media, peer, parts) {
        Ok(authorized) => authorized,
        Err(denied) => {
            return whole(response::denied(&Problem::from(denied), pending.client()));
        }
    };
    pending.mark_authenticated(token.as_ref());
    let Some(route) = Route::find(path) else {
        let detail = format!("there is no route {path}");
        return whole(response::problem(&Problem::new(ErrorCode::UnknownOperation, detail)));
    };
    // HEAD is GET without the body, which hyper leaves out.
    let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
    if !route.methods().contains(method) {
        return whole(response::method_not_allowed(route.methods()));
    }
    if let (Route::Operation(_), Some(last)) = (route, parts.headers.get(operation::LAST_EVENT_ID)) {
        return operation::go_on(server, last);
    }
    let coding = match ContentCoding::of(&parts.headers, &CONTENT_ENCODING) {
        Ok(coding) => coding,
        Err(refused) => return whole(response::coding_refused(&refused)),
    };
    let body = body.begin();
    if takes_data {
        let kept = data::put(server, parts, coding, charset, body).await;
        return kept.unwrap_or_else(|problem| whole(response::problem(&problem)));
    }
    let encoding = match TextEncoding::of(charset, &parts.headers) {
        Ok(encoding) => encoding,
        Err(problem) => return whole(response::problem(&problem)),
    };
    let read = read_coded_body(body, method, coding, server.access.max_body_bytes(), &server.bodies).await;
    let body = match read.and_then(|body| encoding.decode(body)) {
        Ok(body) => body,
        Err(problem) => return whole(response::problem(&problem)),
    };
    let responded = match (route, route.host_operation(method)) {
        (Route::Operation(Operation::Fetch), _) => data::fetch(server, &parts.headers, body).await,
        (Route::Probe(probe), _) => Ok(whole(probe.answer(&server.sessions))),
        (Route::Page(page), _) => Ok(whole(page.answer(&server.sessions, parts, server.tls.is_some()))),
        (Route::Metrics, _) => match permissions.check_server() {
            Ok(()) => page(&server.sessions, &parts.headers)
                .await
                .map(|(content_type, text)| whole(response::ok(content_type, Chunks::one(text)))),
            Err(refused) => Err(refused),
        },
        (Route::Login, _) => login::create(server, token).map(whole),
        (Route::SessionEvents, _) => operation::follow_session(server, path, &parts.headers),
        (Route::Operation(what), _) => operation::respond(server, what, &parts.headers, body).await,
        (_, Some(what)) => {
            let session = Route::session_id(path);
            let trace = CallTrace::of_host(what, &call_options::trace_only(&parts.headers));
            let executed = async {
                permissions.check(what, &body)?;
                execute_host_operation(&server.sessions, what, session, &body).await
            };
            let observed = observe(Transport::Http, what, &body, trace, executed);
            observed.instrument(spans::host_request(what, session)).await.map(response::json).map(whole)
        }
        (_, None) => unreachable!("a route leads to a session or to the host"),
    };
    responded.unwrap_or_else(|problem| whole(response::problem(&problem)))
}
