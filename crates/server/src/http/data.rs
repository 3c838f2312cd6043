//! Large data over HTTP: a body in one of the formats of data, as a request or as a response.

use std::io::Write;

use beep_python_memory::{Memory, MemoryWriter};
use beep_python_protocol::{DataDescriptor, DataFormat, DataKind, ErrorCode, Operation, Problem};
use beep_python_runtime::session::service::attach::{Attachment, attach};
use beep_python_runtime::session::service::json::{ArrayFormat, EncodedResponse, encode_response};
use beep_python_runtime::session::service::operation::{Caller, execute_operation};
use beep_python_runtime::session::{Datum, Payload, Response as SessionResponse, TakesData};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use tracing::Instrument;

use crate::auth::media::Charset;
use crate::http::body::HttpBody;
use crate::metrics::observed::observe;
use crate::server_context::ServerContext;
use crate::spans;
use crate::traces::CallTrace;
use crate::transport::Transport;
use crate::web::body::inflates_too_far;
use crate::web::body_pace::BodyPace;
use crate::web::content_coding::{ContentCoding, Inflater};
use crate::web::{accept, call_options, response};

const DTYPE: HeaderName = HeaderName::from_static("x-beep-dtype");
const SHAPE: HeaderName = HeaderName::from_static("x-beep-shape");
const EPOCH: HeaderName = HeaderName::from_static("x-beep-session-epoch");

/// Sends an object in one of the forms that the request accepts.
pub(super) async fn fetch(
    server: &ServerContext,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response<HttpBody>, Problem> {
    let mut options = call_options::from_http(headers, &body)?;
    let body = with_formats(&body, &accept::formats(headers)?);
    let asked = body.clone();
    let payload = Payload { takes: TakesData::Bytes, ..body.into() };
    let span = spans::session_request(Operation::Fetch, &options);
    let trace = CallTrace::begin(Operation::Fetch, &mut options);
    let executed = execute_operation(&server.sessions, Operation::Fetch, &options, Caller::default(), payload);
    let outcome = observe(Transport::Http, Operation::Fetch, &asked, trace, executed).instrument(span).await?;
    let epoch = outcome.epoch;
    let mut response = respond(outcome, ArrayFormat::of(options.form())).await;
    response.headers_mut().insert(EPOCH, HeaderValue::from(epoch));
    Ok(response)
}

async fn respond(outcome: SessionResponse, arrays: ArrayFormat) -> Response<HttpBody> {
    match encode_response(outcome, arrays).await {
        EncodedResponse::Datum { datum, .. } => datum_response(*datum),
        other => response::respond(other).map(HttpBody::Whole),
    }
}

fn datum_response(datum: Datum) -> Response<HttpBody> {
    let DataDescriptor { kind, dtype, shape, format, .. } = datum.descriptor.clone();
    let mut response = Response::new(HttpBody::Data(datum.into_pieces()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    if kind == DataKind::Array {
        let shape = shape.unwrap_or_default().iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        for (name, text) in [(DTYPE, dtype.unwrap_or_default()), (SHAPE, shape)] {
            // The worker runs code that need not be friendly.
            HeaderValue::try_from(text).into_iter().for_each(|value| drop(headers.insert(name.clone(), value)));
        }
    }
    response
}

/// The body of a request, with the formats that its client accepts in front of its own keys.
fn with_formats(body: &Bytes, formats: &[&str]) -> Bytes {
    let rest = body.trim_ascii().strip_prefix(b"{").unwrap_or(b"}").trim_ascii_start();
    let mut out = BytesMut::from(format!(r#"{{"formats":{}"#, json!(formats)).as_bytes());
    out.extend_from_slice(if rest == b"}" { b"" } else { b"," });
    out.extend_from_slice(rest);
    out.freeze()
}

/// Keeps what the body has. It goes into memory of the kernel piece by piece, and never lies in this process as a whole.
pub(super) async fn put(
    server: &ServerContext,
    parts: &Parts,
    coding: ContentCoding,
    charset: Charset,
    body: &mut Incoming,
) -> Result<Response<HttpBody>, Problem> {
    let mut options = call_options::from_http(&parts.headers, b"")?;
    let request = put_request(parts.uri.query())?;
    let descriptor = described(&parts.headers)?;
    if descriptor.format == DataFormat::Json && charset != Charset::Utf8 {
        let detail = "data in JSON are taken in UTF-8; the body is declared in another charset";
        return Err(Problem::new(ErrorCode::UnsupportedMediaType, detail));
    }
    let memory = read_memory(body, coding, server.access.max_data_bytes()).await?;
    let descriptor = DataDescriptor { byte_length: memory.len(), ..descriptor };
    let payload = attach(&server.sessions, &options, &request, vec![Attachment { descriptor, memory }])?;
    let span = spans::session_request(Operation::Put, &options);
    let asked = payload.body.clone();
    let trace = CallTrace::begin(Operation::Put, &mut options);
    let executed = execute_operation(&server.sessions, Operation::Put, &options, Caller::default(), payload);
    let outcome = observe(Transport::Http, Operation::Put, &asked, trace, executed).instrument(span).await?;
    Ok(respond(outcome, ArrayFormat::of(options.form())).await)
}

/// The JSON of the request, from its query: `name=x`, or nothing.
fn put_request(query: Option<&str>) -> Result<Bytes, Problem> {
    let mut name = None;
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if key != "name" || name.is_some() {
            let detail = format!("the query has 'name' once, or nothing; the request has {key:?}");
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        }
        name = Some(value.into_owned());
    }
    let request = name.map_or(json!({}), |name| json!({ "name": name }));
    Ok(request.to_string().into())
}

/// What the headers say of the body.
fn described(headers: &HeaderMap) -> Result<DataDescriptor, Problem> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?").trim());
    let media = text(&CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let format = DataFormat::from_media_type(media).ok_or_else(|| {
        let known = DataFormat::ALL.map(DataFormat::media_type).join(", ");
        let detail = format!("data are taken as {known}; the body is declared as {media:?}");
        Problem::new(ErrorCode::UnsupportedMediaType, detail)
    })?;
    let shape = match text(&SHAPE) {
        None => None,
        Some(text) => {
            let lengths: Result<Vec<u64>, _> =
                text.split(',').filter(|part| !part.trim().is_empty()).map(|part| part.trim().parse()).collect();
            let wrong =
                |_| format!("the header X-Beep-Shape is {text:?}; it has the length of each dimension, as 1000,50");
            Some(lengths.map_err(|error| Problem::new(ErrorCode::InvalidRequest, wrong(error)))?)
        }
    };
    let dtype = text(&DTYPE).map(str::to_owned);
    let kind = match (format, &dtype) {
        (DataFormat::Npy, _) | (DataFormat::Raw, Some(_)) => DataKind::Array,
        (DataFormat::ArrowStream, _) => DataKind::Table,
        _ => DataKind::Bytes,
    };
    Ok(DataDescriptor { kind, dtype, shape, format, ..DataDescriptor::default() })
}

async fn read_memory(body: &mut Incoming, coding: ContentCoding, limit: u64) -> Result<Memory, Problem> {
    let failed = |detail: String| Problem::new(ErrorCode::Internal, detail);
    let kept = |error: &dyn std::fmt::Display| failed(format!("the body cannot be kept: {error}"));
    let mut writer = MemoryWriter::create().map_err(|error| failed(format!("no memory for the body: {error}")))?;
    let mut inflater = (coding != ContentCoding::Identity).then(|| Inflater::new(coding));
    let (mut length, mut inflated) = (0, 0);
    let mut pace = BodyPace::begin();
    while let Some(frame) = pace.next(body.frame()).await? {
        let frame = frame
            .map_err(|error| Problem::new(ErrorCode::InvalidRequest, format!("the body did not arrive: {error}")))?;
        let piece = frame.into_data().unwrap_or_default();
        pace.received(piece.len());
        length += piece.len() as u64;
        if length > limit {
            let detail = format!("the body is larger than {limit} bytes, the most that this server takes of data");
            return Err(Problem::new(ErrorCode::BodyTooLarge, detail));
        }
        let Some(inflater) = &mut inflater else {
            writer.write_all(&piece).map_err(|error| kept(&error))?;
            continue;
        };
        let put = |block: &[u8]| {
            inflated += block.len() as u64;
            if inflated > limit {
                return Err(inflates_too_far(limit));
            }
            writer.write_all(block).map_err(|error| kept(&error))
        };
        inflater.pass_on(piece, put).await?;
    }
    inflater.map_or(Ok(()), |inflater| inflater.finish())?;
    writer.finish().map_err(|error| kept(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_stand_before_the_keys_of_the_client() {
        for (body, expected) in [
            ("{}", r#"{"formats":["npy","any"]}"#),
            (r#" {"handleId":"a"}"#, r#"{"formats":["npy","any"],"handleId":"a"}"#),
            ("", r#"{"formats":["npy","any"]}"#),
        ] {
            assert_eq!(with_formats(&Bytes::from_static(body.as_bytes()), &["npy", "any"]), expected);
        }
    }

    #[test]
    fn query_names_what_is_bound() {
        assert_eq!(put_request(None).unwrap(), "{}");
        assert_eq!(put_request(Some("name=d%C3%A9f")).unwrap(), r#"{"name":"déf"}"#);
        for query in ["name=a&name=b", "nam=a", "x"] {
            assert_eq!(put_request(Some(query)).unwrap_err().code, ErrorCode::InvalidRequest, "{query}");
        }
    }
}
