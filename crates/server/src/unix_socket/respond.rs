//! Responding to one request.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use beep_python_protocol::message::{CancelOutcome, CancelResponse};
use beep_python_protocol::{CallOptions, ErrorCode, HostOperation, Operation, Problem, ValueForm, from_json_object};
use beep_python_runtime::session::service::attach::attach;
use beep_python_runtime::session::service::host_operation::{execute_host_operation, session_events};
use beep_python_runtime::session::service::json::{ArrayFormat, Chunks, EncodedResponse, encode_response};
use beep_python_runtime::session::service::operation::{self, Caller};
use beep_python_runtime::session::{Event, Payload, RequestId, TakesData};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, Stream, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tracing::Instrument;

use crate::events::batch;
use crate::metrics::observed::{Observed, observe};
use crate::server_context::ServerContext;
use crate::spans;
use crate::traces::CallTrace;
use crate::transport::Transport;
use crate::unix_socket::data::{self, Attached, Leases, Outgoing, Via};
use crate::unix_socket::reply;
use crate::unix_socket::request::{Command, Id, Request};

/// The number of the next connection.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// The client of a connection.
#[derive(Clone)]
pub(super) struct Client {
    /// The connection's number, unique in this process.
    number: u64,
    /// Turns true when the client will send nothing more.
    gone: watch::Receiver<bool>,
    /// What it reads as files.
    leases: Leases,
}

impl Client {
    pub(super) fn new(gone: watch::Receiver<bool>) -> Client {
        Client { number: CONNECTIONS.fetch_add(1, Ordering::Relaxed), gone, leases: Leases::default() }
    }

    /// The name of a request on this connection.
    fn request_id(&self, id: Option<&Id>) -> Option<RequestId> {
        id.map(|id| RequestId::on_connection(self.number, id.clone()))
    }
}

/// The response to a request, as a line.
pub(super) struct Response {
    pub(super) id: Option<Id>,
    pub(super) line: Chunks,
    /// What goes with the line.
    pub(super) data: Option<Outgoing>,
}

impl Response {
    pub(super) fn error(id: Option<Id>, problem: &Problem) -> Response {
        Response { line: reply::error(id.as_ref(), problem), id, data: None }
    }
}

/// Executes a request and encodes its response.
pub(super) fn respond(
    server: Arc<ServerContext>,
    mut client: Client,
    request: Request,
) -> impl Future<Output = Response> {
    // Taken apart outside of the future, which would hold it twice.
    let Request { id, command, mut options, payload, via, attached, place } = request;
    async move {
        let _place = place;
        let encoded = match command {
            Command::Session(what) => {
                let caller = Caller { request_id: client.request_id(id.as_ref()), cancelled: None };
                let (span, ends_with_client) =
                    (spans::session_request(what, &options), options.cancels_on_disconnect());
                let executed = async {
                    let payload = match attached.is_empty() {
                        true => Payload { body: payload, takes: takes_data(what, via), ..Payload::default() },
                        // Boxed: it is rare, and every request would be as large as it.
                        false => Box::pin(with_data(&server, what, via, &options, &payload, attached)).await?,
                    };
                    // Not by `observe`, which would hold the call once more.
                    let trace = CallTrace::begin(what, &mut options);
                    let observed = Observed::begin(Transport::Pipe, what, &payload.body, trace);
                    let outcome = operation::execute_operation(&server.sessions, what, &options, caller, payload).await;
                    observed.end(outcome.as_ref());
                    outcome
                };
                let outcome = {
                    // Pinned here: each place that awaits it would hold it once more.
                    let mut executed = pin!(executed.instrument(span));
                    match ends_with_client {
                        false => executed.await,
                        // Dropping such a call cancels it.
                        true => tokio::select! {
                            outcome = &mut executed => outcome,
                            _ = Box::pin(client.gone.wait_for(|gone| *gone)) => {
                                Err(Problem::new(ErrorCode::Cancelled, "the client is gone"))
                            }
                        },
                    }
                };
                match outcome {
                    Ok(response) => encode_response(response, ArrayFormat::of(options.form())).await,
                    Err(problem) => problem.into(),
                }
            }
            Command::Release => release(&client.leases, &payload),
            // Boxed: it is rare and large, and every request would be as large as it.
            Command::Host(what) => Box::pin(respond_for_host(&server, &client, what, &options, &payload)).await,
        };
        let EncodedResponse::Datum { about, datum } = encoded else {
            return Response { line: reply::response(id.as_ref(), encoded), id, data: None };
        };
        let (how, data) = data::send(*datum, via.unwrap_or(Via::Inline), &client.leases);
        Response { line: reply::datum(id.as_ref(), &about, &how), id, data }
    }
}

/// How the client takes data beside the line of its answer.
fn takes_data(what: Operation, via: Option<Via>) -> TakesData {
    match via {
        Some(Via::Inline) => TakesData::Bytes,
        Some(Via::Fd | Via::File) => TakesData::Memory,
        None if what == Operation::Fetch => TakesData::Bytes,
        None => TakesData::No,
    }
}

async fn with_data(
    server: &ServerContext,
    what: Operation,
    via: Option<Via>,
    options: &CallOptions,
    payload: &Bytes,
    attached: Vec<Attached>,
) -> Result<Payload, Problem> {
    let mut data = Vec::with_capacity(attached.len());
    for one in attached {
        data.push(one.read(server.access.max_data_bytes()).await?);
    }
    let payload = attach(&server.sessions, options, payload, data)?;
    Ok(Payload { takes: takes_data(what, via), ..payload })
}

/// Ends the file of a path that an answer named.
fn release(leases: &Leases, payload: &Bytes) -> EncodedResponse {
    #[derive(Deserialize)]
    struct Named {
        path: String,
    }
    match serde_json::from_slice::<Named>(payload) {
        Ok(Named { path }) => {
            let released = leases.release(&path);
            EncodedResponse::Json(Chunks::one(format!(r#"{{"success":true,"released":{released}}}"#).into_bytes()))
        }
        Err(error) => {
            let detail = format!("'path' must be a path that an answer named: {error}");
            Problem::new(ErrorCode::InvalidRequest, detail).into()
        }
    }
}

async fn respond_for_host(
    server: &ServerContext,
    client: &Client,
    what: HostOperation,
    options: &CallOptions,
    payload: &Bytes,
) -> EncodedResponse {
    let trace = CallTrace::of_host(what, options);
    let executed = async {
        match what {
            HostOperation::Cancel => cancel(server, client, payload).await,
            _ => execute_host_operation(&server.sessions, what, None, payload).await,
        }
    };
    let observed = observe(Transport::Pipe, what, payload, trace, executed);
    match observed.instrument(spans::host_request(what, None)).await {
        Ok(json) => EncodedResponse::Json(Chunks::one(json)),
        Err(problem) => problem.into(),
    }
}

/// Cancels a request of this connection by its `id`, else any by its `requestId`.
async fn cancel(server: &ServerContext, client: &Client, payload: &Bytes) -> Result<Vec<u8>, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named<'a> {
        #[serde(borrow)]
        request_id: &'a RawValue,
        #[serde(default)]
        grace_ms: Option<u64>,
        #[serde(default)]
        once: bool,
    }
    if let Ok(Named { request_id, grace_ms, once }) = from_json_object(payload, |_| false) {
        let name = RequestId::on_connection(client.number, payload.slice_ref(request_id.get().as_bytes()));
        let outcome = match once {
            true => server.sessions.press_ctrl_c(&name),
            false => server.sessions.cancel(&name, grace_ms.map(Duration::from_millis)).await,
        };
        if outcome != CancelOutcome::NotFound || !request_id.get().starts_with('"') {
            return Ok(serde_json::to_vec(&CancelResponse { outcome }).unwrap_or_default());
        }
    }
    execute_host_operation(&server.sessions, HostOperation::Cancel, None, payload).await
}

/// Lines of a request with events.
pub(super) enum EventLines {
    Some(Bytes),
    /// There are no more.
    End(Option<Id>),
}

/// The lines of a request with events: one for each, and the response; a single error where there is no such call.
pub(super) fn subscribe(
    server: &Arc<ServerContext>,
    client: &Client,
    mut request: Request,
) -> impl Stream<Item = EventLines> + Send + use<> {
    let id = request.id.clone();
    let request_id = client.request_id(id.as_ref());
    let attached = std::mem::take(&mut request.attached);
    let place = request.place.take();
    let lines = match request.command {
        Command::Session(what) if attached.is_empty() => {
            let payload = Payload::from(request.payload.clone());
            event_lines(server, what, request, request_id, Ok(payload))
        }
        Command::Session(what) => {
            let server = server.clone();
            let begun = async move {
                let Request { options, payload, .. } = &request;
                let payload = with_data(&server, what, None, options, payload, attached).await;
                event_lines(&server, what, request, request_id, payload)
            };
            begun.into_stream().flatten().boxed()
        }
        Command::Host(_) | Command::Release => session_lines(server, request, request_id),
    };
    let some = move |lines| {
        let _held = &place;
        EventLines::Some(lines)
    };
    lines.map(some).chain(stream::iter([EventLines::End(id)]))
}

fn event_lines(
    server: &ServerContext,
    what: Operation,
    request: Request,
    request_id: Option<RequestId>,
    payload: Result<Payload, Problem>,
) -> BoxStream<'static, Bytes> {
    let Request { id, mut options, .. } = request;
    let _entered = spans::session_request(what, &options).entered();
    let body = payload.as_ref().map_or_else(|_| Bytes::new(), |payload| payload.body.clone());
    let observed = Observed::begin(Transport::Pipe, what, &body, CallTrace::begin(what, &mut options));
    let subscribe = |payload| operation::subscribe(&server.sessions, what, &options, request_id, payload);
    lines_of(observed.follow(payload.and_then(subscribe)), id, options.form())
}

fn session_lines(server: &ServerContext, request: Request, request_id: Option<RequestId>) -> BoxStream<'static, Bytes> {
    let Request { id, options, payload, .. } = request;
    let subscribe = || session_events(&server.sessions, None, &options, request_id, &payload);
    let subscribed = spans::host_request(HostOperation::SessionEvents, None).in_scope(subscribe);
    lines_of(subscribed, id, options.form())
}

fn lines_of(
    events: Result<impl Stream<Item = Event> + Send + 'static, Problem>,
    id: Option<Id>,
    form: ValueForm,
) -> BoxStream<'static, Bytes> {
    match events {
        Ok(events) => batch(events, form, move |event, out| reply::event(id.as_ref(), event, out)).boxed(),
        Err(problem) => stream::iter([reply::error(id.as_ref(), &problem).contiguous()]).boxed(),
    }
}
