//! The operations as JSON with keys in PascalCase, as the RPC clients that exist really speak.

use std::collections::BTreeMap;

use beep_python_protocol::{ErrorCode, HostOperation, Problem};
use beep_python_runtime::session::{CallResult, CapturedOutput, Response as SessionResponse};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;
use serde_json::value::RawValue;

use super::body::RpcBody;
use super::route::Rpc;
use crate::server_context::ServerContext;
use crate::events::{Framing, text};
use crate::web::response::{self as answer, method_not_allowed, problem};
use crate::http::connection::read;
use crate::web::call_options as envelope;
use crate::http::operation::event_response;
use beep_python_runtime::session::service::json::floats::{Rows, row_to_json, rows};
use beep_python_runtime::session::service::json::{ArrayFormat, Chunks, encode_response};
use beep_python_runtime::session::service::{host_operation, operation};

/// Answers a request that came through the door.
pub(super) async fn answer(host: &ServerContext, parts: &Parts, mut body: Incoming) -> Response<RpcBody> {
    let whole = |response: Response<Chunks>| response.map(RpcBody::Json);
    let path = parts.uri.path();
    if path == "/health" {
        return whole(match parts.method {
            Method::GET => health(host).await.map_or_else(|told| problem(&told), answer::json),
            _ => method_not_allowed(&[Method::GET]),
        });
    }
    let Some(rpc) = Rpc::find_json(path) else {
        return whole(problem(&Problem::new(ErrorCode::UnknownOperation, format!("there is no route {path}"))));
    };
    if parts.method != Method::POST {
        return whole(method_not_allowed(&[Method::POST]));
    }
    let body = match read(&mut body, &parts.method, host.access.max_body_bytes()).await {
        Ok(body) => body,
        Err(told) => return whole(problem(&told)),
    };
    carry_out(host, rpc, &parts.headers, &body).await.unwrap_or_else(|mut told| {
        rename_detail_key(&mut told);
        whole(problem(&told))
    })
}

async fn carry_out(host: &ServerContext, rpc: Rpc, headers: &HeaderMap, body: &[u8]) -> Result<Response<RpcBody>, Problem> {
    let operation = match rpc {
        Rpc::Session(operation) => operation,
        Rpc::Host(what @ (HostOperation::Health | HostOperation::Cancel)) => {
            let body = if what == HostOperation::Health { Bytes::new() } else { camel_case(body)? };
            let told = host_operation::perform(&host.sessions, what, None, &body).await?;
            return pascal_case(&told).map(|mut told| {
                told.push(b'}');
                answer::json(told).map(RpcBody::Json)
            });
        }
        Rpc::Host(_) | Rpc::Events(_) => {
            return Err(Problem::new(ErrorCode::UnknownOperation, "this rpc has no route with JSON"));
        }
    };
    let body = camel_case(body)?;
    let envelope = envelope::read(headers, &body)?;
    if envelope.is_followed(operation) {
        let events = operation::follow(&host.sessions, operation, &envelope, body)?;
        let framing = Framing::PascalLines;
        return Ok(event_response(RpcBody::Text(text(events, envelope.form, framing)), framing));
    }
    let arrays = ArrayFormat::of(envelope.form);
    let SessionResponse { result, output, epoch } =
        operation::carry_out(&host.sessions, operation, &envelope, body).await?;
    let response = match result {
        CallResult::Value(value) => {
            let mut tail = Vec::new();
            end(&mut tail, &output, epoch);
            let head = Bytes::from_static(br#"{"Value":"#);
            let pieces = std::iter::once(head).chain(value.pieces().cloned());
            answer::ok(answer::JSON, pieces.chain(std::iter::once(tail.into())).collect())
        }
        CallResult::Handle(object) | CallResult::Object(object) => {
            let mut told = pascal_case(&object.contiguous())?;
            end(&mut told, &output, epoch);
            answer::json(told)
        }
        CallResult::Floats(body) => data(row_to_json(body, arrays).await?),
        CallResult::FloatRows(body) => match rows(body, arrays).await? {
            Rows::Json(text) => data(text),
            Rows::Binary { .. } => return Err(Problem::new(ErrorCode::Internal, "binary rows were not asked for")),
        },
        CallResult::Problem(mut told) => {
            rename_detail_key(&mut told);
            let result = CallResult::Problem(told);
            answer::composed(encode_response(SessionResponse { result, output, epoch }, arrays).await)
        }
        result @ CallResult::Exception(_) => {
            answer::composed(encode_response(SessionResponse { result, output, epoch }, arrays).await)
        }
    };
    Ok(response.map(RpcBody::Json))
}

async fn health(host: &ServerContext) -> Result<Vec<u8>, Problem> {
    host_operation::perform(&host.sessions, HostOperation::Health, None, b"").await
}

/// The keys of a request as the session core has them; those that are not in PascalCase say nothing.
fn camel_case(body: &[u8]) -> Result<Bytes, Problem> {
    let keys: BTreeMap<String, &RawValue> = serde_json::from_slice(body).map_err(|error| {
        Problem::new(ErrorCode::InvalidRequest, format!("the body must be a JSON object in UTF-8: {error}"))
    })?;
    let pascal = |key: &str| key.starts_with(|first: char| first.is_ascii_uppercase());
    let keys = keys.into_iter().filter(|(key, _)| pascal(key)).map(|(key, value)| {
        let mut key = key;
        key[..1].make_ascii_lowercase();
        (key, value)
    });
    Ok(serde_json::to_vec(&keys.collect::<BTreeMap<_, _>>()).unwrap_or_default().into())
}

/// An object with its keys in PascalCase, but for its end.
fn pascal_case(object: &[u8]) -> Result<Vec<u8>, Problem> {
    let keys: BTreeMap<&str, &RawValue> = serde_json::from_slice(object)
        .map_err(|error| Problem::new(ErrorCode::Internal, format!("the worker's answer cannot be read: {error}")))?;
    let keys: BTreeMap<String, &RawValue> = keys.into_iter().map(|(key, value)| (upper(key), value)).collect();
    let mut out = serde_json::to_vec(&keys).unwrap_or_default();
    out.pop();
    Ok(out)
}

/// An object with its keys in PascalCase; an array, or what cannot be read, as it is.
pub(crate) fn pascal_keys(object: &[u8]) -> Vec<u8> {
    match pascal_case(object) {
        Ok(mut told) => {
            told.push(b'}');
            told
        }
        Err(_) => object.to_vec(),
    }
}

/// What follows the keys of an answer.
fn end(out: &mut Vec<u8>, output: &CapturedOutput, epoch: u64) {
    for (name, text) in [("Stdout", &output.stdout), ("Stderr", &output.stderr)] {
        if !text.is_empty() {
            out.extend_from_slice(format!(r#","{name}":"#).as_bytes());
            let _ = serde_json::to_writer(&mut *out, text); // into memory: it cannot fail
        }
    }
    out.extend_from_slice(format!(r#","SessionEpoch":{epoch}}}"#).as_bytes());
}

/// A key that is told to be wrong is named as a request here has it: the session core knows it as other wires send it.
pub(crate) fn rename_detail_key(told: &mut Problem) {
    if told.code == ErrorCode::InvalidRequest
        && let Some(key) = told.detail.strip_prefix('\'')
    {
        told.detail = format!("'{}", upper(key));
    }
}

fn data(array: Vec<u8>) -> Response<Chunks> {
    let pieces = [Bytes::from_static(br#"{"Data":"#), array.into(), Bytes::from_static(b"}")];
    answer::ok(answer::JSON, pieces.into_iter().collect())
}

fn upper(key: &str) -> String {
    let mut key = key.to_owned();
    if let Some(first) = key.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outer_keys_change() {
        let body = br#"{"HandleId":"h","Args":[{"Key":1}],"Kwargs":null,"handleId":"other"}"#;
        let camel = camel_case(body).expect("an object");
        assert_eq!(&camel[..], br#"{"args":[{"Key":1}],"handleId":"h","kwargs":null}"#);
        for wrong in ["", "[]", "null", "{", "{} x"] {
            assert!(camel_case(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
