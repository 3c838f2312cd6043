//! Operations as JSON with keys in PascalCase, as the existing RPC clients speak.

use beep_python_protocol::{ErrorCode, HostOperation, Problem};
use beep_python_runtime::session::service::host_operation::execute_host_operation;
use beep_python_runtime::session::service::json::floats::{Rows, row_to_json, rows};
use beep_python_runtime::session::service::json::{
    ArrayFormat, Chunks, EncodedEvent, EncodedResponse, encode_response,
};
use beep_python_runtime::session::service::operation::subscribe;
use beep_python_runtime::session::{CallResult, CapturedOutput, Response as SessionResponse};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use tracing::Instrument;

use crate::auth::Permissions;
use crate::auth::media::Charset;
use crate::events::batch;
use crate::metrics::observed::observe;
use crate::rpc::body::RpcBody;
use crate::rpc::pascal_case::{camel_case, camel_case_of_all, open_pascal_object, pascal_object, rename_detail_key};
use crate::rpc::reset::ReadRequest;
use crate::rpc::route::Rpc;
use crate::server_context::ServerContext;
use crate::spans;
use crate::traces::CallTrace;
use crate::transport::Transport;
use crate::web::body::{RequestBody, read_coded_body};
use crate::web::content_coding::ContentCoding;
use crate::web::event_body::{EventBody, Framing, keep_alive, named, put_line};
use crate::web::probe::Probe;
use crate::web::response::{self, method_not_allowed, problem};
use crate::web::text::TextEncoding;
use crate::web::{accept, call_options};

/// Responds to an authorized request.
pub(super) async fn respond(
    server: &ServerContext,
    permissions: Permissions,
    parts: &Parts,
    charset: Charset,
    body: &mut RequestBody,
) -> Response<RpcBody> {
    let whole = |response: Response<Chunks>| response.map(RpcBody::Json);
    let path = parts.uri.path();
    // HEAD is GET without the body, which hyper leaves out.
    if path == "/health" {
        return whole(match parts.method {
            Method::GET | Method::HEAD => execute_host_operation(&server.sessions, HostOperation::Health, None, b"")
                .await
                .map_or_else(|failed| problem(&failed), response::json),
            _ => method_not_allowed(&[Method::GET]),
        });
    }
    if let Some(probe) = Probe::find(path) {
        return whole(match parts.method {
            Method::GET | Method::HEAD => probe.answer(&server.sessions),
            _ => method_not_allowed(&[Method::GET]),
        });
    }
    let Some(rpc) = Rpc::find_json(path) else {
        return whole(problem(&Problem::new(ErrorCode::UnknownOperation, format!("there is no route {path}"))));
    };
    if parts.method != Method::POST {
        return whole(method_not_allowed(&[Method::POST]));
    }
    let coding = match ContentCoding::of(&parts.headers, &CONTENT_ENCODING) {
        Ok(coding) => coding,
        Err(refused) => return whole(response::coding_refused(&refused)),
    };
    let encoding = match TextEncoding::of(charset, &parts.headers) {
        Ok(encoding) => encoding,
        Err(failed) => return whole(problem(&failed)),
    };
    let read =
        read_coded_body(body.begin(), &parts.method, coding, server.access.max_body_bytes(), &server.bodies).await;
    let read = match read.and_then(|read| encoding.decode(read)) {
        Ok(read) => read,
        Err(failed) => return whole(problem(&failed)),
    };
    let request = ReadRequest::new(Transport::RpcJson, parts.version, body.take());
    execute(server, permissions, rpc, &parts.headers, request, &read).await.unwrap_or_else(|mut failed| {
        rename_detail_key(&mut failed);
        whole(problem(&failed))
    })
}

async fn execute(
    server: &ServerContext,
    permissions: Permissions,
    rpc: Rpc,
    headers: &HeaderMap,
    mut request: ReadRequest,
    body: &[u8],
) -> Result<Response<RpcBody>, Problem> {
    let operation = match rpc {
        Rpc::Session(operation) => operation,
        Rpc::Host(what) => {
            let body = match body.trim_ascii().is_empty() || what == HostOperation::Health {
                true => Bytes::new(),
                false => camel_case_of_all(body)?,
            };
            let trace = CallTrace::of_host(what, &call_options::trace_only(headers));
            let executed = async {
                permissions.check(what, &body)?;
                execute_host_operation(&server.sessions, what, None, &body).await
            };
            let observed = observe(Transport::RpcJson, what, &body, trace, executed);
            let json = observed.instrument(spans::host_request(what, None)).await?;
            return Ok(response::json(pascal_object(&json)).map(RpcBody::Json));
        }
        Rpc::Events(_) => {
            return Err(Problem::new(ErrorCode::UnknownOperation, "this rpc has no route with JSON"));
        }
    };
    let body = camel_case(body)?;
    let mut options = call_options::from_http(headers, &body)?;
    if options.has_events(operation) {
        let _entered = spans::session_request(operation, &options).entered();
        let observed = request.observe(operation, &mut options, &body);
        let mut events = observed.follow(subscribe(&server.sessions, operation, &options, None, body))?;
        request.cancel(&options, &mut events);
        let events: EventBody = Box::pin(batch(events, options.form(), put_event));
        // Clients that know of these lines say so; others read each line as an answer.
        let is_told = accept::names(headers, "application/x-ndjson");
        let events = if is_told { keep_alive(events, Framing::Lines) } else { events };
        return Ok(response::event_stream(RpcBody::Text(events), Framing::Lines));
    }
    let span = spans::session_request(operation, &options);
    let outcome = request.execute(server, operation, &mut options, body).instrument(span).await?;
    Ok(encode(outcome, ArrayFormat::of(options.form())).await?.map(RpcBody::Json))
}

async fn encode(outcome: SessionResponse, arrays: ArrayFormat) -> Result<Response<Chunks>, Problem> {
    let SessionResponse { result, output, epoch } = outcome;
    Ok(match result {
        CallResult::Value(value) => {
            let mut tail = Vec::new();
            end_object(&mut tail, &output, epoch);
            let head = Bytes::from_static(br#"{"Value":"#);
            let pieces = std::iter::once(head).chain(value.iter().cloned());
            response::ok(response::JSON, pieces.chain(std::iter::once(tail.into())).collect())
        }
        CallResult::Handle(object) | CallResult::Object(object) => {
            let mut pascal = open_pascal_object(&object.contiguous())?;
            end_object(&mut pascal, &output, epoch);
            response::json(pascal)
        }
        CallResult::Floats(body) => data(row_to_json(body, arrays).await?),
        CallResult::FloatRows(body) => match rows(body, arrays).await? {
            Rows::Json(text) => data(text),
            Rows::Binary { .. } => return Err(Problem::new(ErrorCode::Internal, "binary rows were not asked for")),
        },
        CallResult::Problem(mut failed) => {
            rename_detail_key(&mut failed);
            let result = CallResult::Problem(failed);
            response::respond(encode_response(SessionResponse { result, output, epoch }, arrays).await)
        }
        result @ (CallResult::Exception(_) | CallResult::Datum(_)) => {
            response::respond(encode_response(SessionResponse { result, output, epoch }, arrays).await)
        }
    })
}

/// `{"Event":"NAME",…}` and the end of the line.
fn put_event(mut event: EncodedEvent, out: &mut BytesMut) {
    if let EncodedEvent::Response(EncodedResponse::Problem(problem)) = &mut event {
        rename_detail_key(problem);
    }
    let (name, body) = named(event);
    put_line("Event", name, &Chunks::one(pascal_object(&body.contiguous())), out);
}

/// Continues an object with the output and the epoch, and closes it.
fn end_object(out: &mut Vec<u8>, output: &CapturedOutput, epoch: u64) {
    for (name, text) in [("Stdout", &output.stdout), ("Stderr", &output.stderr)] {
        if !text.is_empty() {
            out.extend_from_slice(format!(r#","{name}":"#).as_bytes());
            let _ = serde_json::to_writer(&mut *out, text); // into memory: it cannot fail
        }
    }
    if output.omitted_bytes > 0 {
        out.extend_from_slice(format!(r#","OmittedOutputBytes":{}"#, output.omitted_bytes).as_bytes());
    }
    out.extend_from_slice(format!(r#","SessionEpoch":{epoch}}}"#).as_bytes());
}

fn data(array: Vec<u8>) -> Response<Chunks> {
    let pieces = [Bytes::from_static(br#"{"Data":"#), array.into(), Bytes::from_static(b"}")];
    response::ok(response::JSON, pieces.into_iter().collect())
}
