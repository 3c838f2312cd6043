//! What connections over TCP have in common: their streams, HTTP/2, and their end.

use std::pin::pin;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper_util::rt::TokioTimer;
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, Span};

use crate::auth::pending_connection::PendingConnection;
use crate::line_budget::within_budget;
use crate::rejection_log::log_disconnect;
use crate::stage::{FIRST_REQUEST_TIME, Stage, closing};
use crate::tls::{ServerStream, Tls};
use crate::web::half_closed::UnderWay;
use crate::web::http2_preface::speaks_http2;

/// How many requests of one connection are served at once.
const MAX_STREAMS: u32 = 256;
/// Windows that hold large arrays without a round trip.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const MAX_FRAME_BYTES: u32 = 256 << 10;
/// An idle connection whose other side does not answer is closed.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PONG_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a server that stops checks whether a connection is idle.
const GOODBYE_INTERVAL: Duration = Duration::from_millis(500);

/// Begins a connection, which may be denied meanwhile: makes its handshake, and tells whether it speaks HTTP/2.
pub(crate) async fn begin(
    stream: TcpStream,
    tls: Option<&Tls>,
    pending: &PendingConnection,
    stage: &mut watch::Receiver<Stage>,
    head_time: Duration,
) -> Option<(ServerStream, bool)> {
    if let Some(tls) = tls {
        return secure(tls, stream, pending, stage).await;
    }
    let preface = tokio::select! {
        biased;
        preface = timeout(head_time, speaks_http2(&stream)) => preface,
        () = pending.denied() => return None,
        // What has connected may be about to ask, and is told then.
        () = async { closing(stage).await; sleep(FIRST_REQUEST_TIME).await } => return None,
    };
    let Ok(Ok(http2)) = preface else { return None };
    Some((ServerStream::Plain(stream), http2))
}

/// Makes the handshake of a connection; whether it speaks HTTP/2.
async fn secure(
    tls: &Tls,
    stream: TcpStream,
    pending: &PendingConnection,
    stage: &mut watch::Receiver<Stage>,
) -> Option<(ServerStream, bool)> {
    let handshake = tokio::select! {
        handshake = tls.accept(stream) => handshake,
        () = pending.denied() => return None,
        () = closing(stage) => return None,
    };
    let told = |error: &std::io::Error| {
        within_budget("no_handshake", || tracing::info!("a connection is closed: no TLS was agreed on: {error}"));
    };
    handshake.inspect_err(told).ok()
}

/// Serves HTTP/2 within the span of a connection.
pub(crate) fn http2_builder(span: Span) -> http2::Builder<SpanExecutor> {
    let mut builder = http2::Builder::new(SpanExecutor(span));
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PONG_TIMEOUT);
    builder
}

/// Runs the requests of a connection within its span.
#[derive(Clone)]
pub(crate) struct SpanExecutor(Span);

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for SpanExecutor {
    fn execute(&self, request: F) {
        // Where nothing logs the span, it would only make the request larger.
        if self.0.is_disabled() {
            tokio::spawn(request);
        } else {
            tokio::spawn(request.instrument(self.0.clone()));
        }
    }
}

/// Runs a connection until it ends, is denied, or the server closes.
pub(crate) async fn drive<C>(
    serving: C,
    pending: &PendingConnection,
    under_way: &UnderWay,
    mut stage: watch::Receiver<Stage>,
) where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut serving = pin!(serving);
    // What has arrived is read before anything else is looked at.
    let ended = tokio::select! {
        biased;
        ended = serving.as_mut() => Some(ended),
        () = pending.denied() => return,
        () = async { closing(&mut stage).await; has_asked(under_way).await } => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving => ended,
                () = idle(under_way) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        log_disconnect(&error);
    }
}

/// Returns once a request has begun, or was waited for long enough.
async fn has_asked(under_way: &UnderWay) {
    let until = Instant::now() + FIRST_REQUEST_TIME;
    while !under_way.has_begun() && Instant::now() < until {
        tokio::time::sleep(FIRST_REQUEST_TIME / 20).await;
    }
}

/// Returns once no request is in progress: a client that asks for nothing more is not waited for when the server stops.
async fn idle(under_way: &UnderWay) {
    loop {
        tokio::time::sleep(GOODBYE_INTERVAL).await;
        if under_way.is_idle() {
            break;
        }
    }
}
