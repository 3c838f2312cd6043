//! Large data: a message that says what they are, then their bytes in chunks.

use std::borrow::Cow;

use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::grpc::{FRAME_HEAD_BYTES, encode};
use beep_python_protocol::message::CallResponse;
use beep_python_protocol::{DataDescriptor, Operation};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use prost::Message;
use serde_json::json;

use super::channel::Exchanged;
use super::status::{failure, status};
use crate::call::{Call, Reply, Target};
use crate::connections::ExchangeError;
use crate::data::Datum;
use crate::error::Error;
use crate::http::endpoint::Endpoint;

/// How much of the data goes in one message.
const CHUNK_BYTES: usize = 1 << 20;

/// Whether the answer of this call is data.
pub(super) fn is_fetch(target: Target) -> bool {
    matches!(target, Target::Session(Operation::Fetch))
}

/// The messages of a put.
pub(super) fn put_messages(call: &Call, name: Option<Cow<'_, str>>) -> Result<Bytes, Error> {
    let datum = call.data.first().ok_or_else(|| Error::malformed("no data go with the request"))?;
    let bytes =
        datum.buffer.to_bytes().map_err(|error| Error::malformed(format!("the data cannot be read: {error}")))?;
    let DataDescriptor { kind, dtype, shape, byte_length, format, .. } = &datum.descriptor;
    let described = m::DataDescriptor {
        kind: kind.return_type().to_owned(),
        dtype: dtype.clone().unwrap_or_default(),
        shape: shape.clone().map(|sizes| m::Shape { sizes }),
        byte_length: *byte_length,
        format: format.as_str().to_owned(),
    };
    let first = m::PutRequest { part: Some(m::put_request::Part::Data(described)), name: name.map(Cow::into_owned) };
    let mut out = BytesMut::with_capacity(bytes.len() + bytes.len() / CHUNK_BYTES * 16 + 256);
    out.put_slice(&encode(&first));
    for start in (0..bytes.len()).step_by(CHUNK_BYTES) {
        let chunk = bytes.slice(start..bytes.len().min(start + CHUNK_BYTES));
        let request = m::PutRequest { part: Some(m::put_request::Part::Chunk(chunk)), name: None };
        out.put_slice(&encode(&request));
    }
    Ok(out.freeze())
}

/// Reads the answer of a fetch as it comes.
pub(super) async fn read(endpoint: &Endpoint, response: Response<Incoming>) -> Result<Reply, Error> {
    let (parts, mut body) = response.into_parts();
    let mut headers = parts.headers;
    let mut read = BytesMut::new();
    let mut first: Option<(m::DataDescriptor, CallResponse)> = None;
    let mut bytes = Vec::new();
    let mut refused = None;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| ExchangeError::<()> { unsent: None, source: error.into() }.into_error(endpoint))?;
        match frame.into_data() {
            Ok(data) => read.extend_from_slice(&data),
            Err(frame) => headers.extend(frame.into_trailers().unwrap_or_default()),
        }
        while let Some(message) = message(&mut read) {
            if refused.is_some() {
                continue;
            }
            match m::FetchResponse::decode(message.slice(FRAME_HEAD_BYTES..)) {
                Ok(m::FetchResponse { part: Some(m::fetch_response::Part::Chunk(chunk)), .. }) if first.is_some() => {
                    bytes.extend_from_slice(&chunk);
                }
                Ok(m::FetchResponse {
                    part: Some(m::fetch_response::Part::Data(data)),
                    stdout,
                    stderr,
                    omitted_output_bytes,
                    session_epoch,
                }) if first.is_none() => {
                    let length = usize::try_from(data.byte_length).unwrap_or(usize::MAX);
                    bytes.try_reserve_exact(length).map_err(|error| Error::malformed(error.to_string()))?;
                    let session_epoch = Some(session_epoch);
                    first = Some((
                        data,
                        CallResponse { stdout, stderr, omitted_output_bytes, session_epoch, ..CallResponse::default() },
                    ));
                }
                _ => refused = Some(message), // the details of an error
            }
        }
    }
    let ended = Exchanged { status: parts.status, headers, body: refused.unwrap_or_default() };
    let (Some(0), Some((data, about))) = (status(&ended), first) else {
        return Err(failure(status(&ended), &ended));
    };
    let descriptor = descriptor(data)?;
    if bytes.len() as u64 != descriptor.byte_length {
        return Err(Error::malformed("the data have another length than the host said"));
    }
    let about = serde_json::to_vec(&about).map_err(|error| Error::malformed(error.to_string()))?;
    Ok(Reply::Datum { datum: Datum::new(descriptor, bytes.into()), about: about.into() })
}

/// The next whole message, in its frame.
pub(super) fn message(read: &mut BytesMut) -> Option<Bytes> {
    let head = read.first_chunk::<FRAME_HEAD_BYTES>()?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if read.remaining() < FRAME_HEAD_BYTES + length {
        read.reserve(FRAME_HEAD_BYTES + length - read.remaining());
        return None;
    }
    Some(read.split_to(FRAME_HEAD_BYTES + length).freeze())
}

pub(super) fn descriptor(data: m::DataDescriptor) -> Result<DataDescriptor, Error> {
    let m::DataDescriptor { kind, dtype, shape, byte_length, format } = data;
    let said = json!({ "kind": kind, "format": format, "byteLength": byte_length });
    let descriptor: DataDescriptor = serde_json::from_value(said)
        .map_err(|error| Error::malformed(format!("the data are of a newer host: {error}")))?;
    let dtype = Some(dtype).filter(|dtype| !dtype.is_empty());
    Ok(DataDescriptor { dtype, shape: shape.map(|shape| shape.sizes), ..descriptor })
}
