//! Responses of the session core as JSON. The user's data passes through as it is.

use std::future::ready;

use beep_python_protocol::{ErrorCode, Problem};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::Either;

use crate::session::call::{CallResult, Response};
use crate::session::output::CapturedOutput;
use crate::session::service::json::floats::{self, ArrayFormat};
use crate::worker::chunks::Chunks;
use crate::worker::datum::Datum;

/// Up to this size, copying into one piece is cheaper than a further write.
const COPY_BYTES: usize = 16 << 10;

/// The only object of its length.
pub(super) const EMPTY: &str = "{}";

/// A response without its framing.
#[derive(Debug)]
pub enum EncodedResponse {
    /// A success, as JSON.
    Json(Chunks),
    /// A success, as little-endian 32-bit floats; with a shape where rows were asked for.
    Floats {
        /// Rows and columns.
        shape: Option<(usize, usize)>,
        /// The floats, row after row.
        pieces: Chunks,
    },
    /// A success, as data beside JSON.
    Datum {
        /// `{"data":{…},…}`: what it is, and the rest of the response.
        about: Chunks,
        /// The data.
        datum: Box<Datum>,
    },
    /// A Python exception: a whole problem document.
    Exception(Chunks),
    /// Any other problem.
    Problem(Box<Problem>),
}

impl From<Problem> for EncodedResponse {
    fn from(problem: Problem) -> EncodedResponse {
        EncodedResponse::Problem(Box::new(problem))
    }
}

/// Encodes the response of a session.
pub fn encode_response(response: Response, arrays: ArrayFormat) -> impl Future<Output = EncodedResponse> {
    let Response { result, output, epoch } = response;
    let encoded = match result {
        CallResult::Value(value) => EncodedResponse::Json(join(br#"{"value":"#, &value, 0, &extras(&output, epoch))),
        CallResult::Handle(object) | CallResult::Object(object) => {
            EncodedResponse::Json(join(b"", &object, 1, end_of(&object, &extras(&output, epoch))))
        }
        CallResult::Datum(datum) => {
            let descriptor = serde_json::to_vec(&datum.descriptor).unwrap_or_default();
            let about = join(br#"{"data":"#, &Chunks::one(descriptor), 0, &extras(&output, epoch));
            EncodedResponse::Datum { about, datum }
        }
        CallResult::Exception(object) => {
            let code = ErrorCode::PythonException;
            let head =
                format!(r#"{{"title":"{}","status":{},"code":"{}","#, code.title(), code.http_status(), code.as_str());
            EncodedResponse::Exception(join_from(
                1,
                head.as_bytes(),
                &object,
                1,
                end_of(&object, &extras(&output, epoch)),
            ))
        }
        CallResult::Problem(mut problem) => {
            problem.stdout = output.stdout;
            problem.stderr = output.stderr;
            problem.omitted_output_bytes = output.omitted_bytes;
            problem.session_epoch = (epoch > 0).then_some(epoch);
            EncodedResponse::Problem(problem)
        }
        CallResult::Floats(body) if arrays == ArrayFormat::Binary => {
            EncodedResponse::Floats { shape: None, pieces: body.iter().cloned().collect() }
        }
        // They take time, in a box: every request's future would be as large as theirs.
        CallResult::Floats(body) => return Either::Right(row_as_json(body, arrays).boxed()),
        CallResult::FloatRows(body) => return Either::Right(rows(body, arrays).boxed()),
    };
    Either::Left(ready(encoded))
}

async fn row_as_json(body: Chunks, arrays: ArrayFormat) -> EncodedResponse {
    match floats::row_to_json(body, arrays).await {
        Ok(text) => EncodedResponse::Json(Chunks::one(text)),
        Err(problem) => problem.into(),
    }
}

async fn rows(body: Chunks, arrays: ArrayFormat) -> EncodedResponse {
    match floats::rows(body, arrays).await {
        Ok(floats::Rows::Binary { rows, width, pieces }) => {
            EncodedResponse::Floats { shape: Some((rows, width)), pieces: pieces.into_iter().collect() }
        }
        Ok(floats::Rows::Json(text)) => EncodedResponse::Json(Chunks::one(text)),
        Err(problem) => problem.into(),
    }
}

/// The end of a response, in place of the closing brace of the worker's object: `,"stdout":…,"stderr":…,"omittedOutputBytes":N,"sessionEpoch":N}`.
fn extras(output: &CapturedOutput, epoch: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    for (name, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !text.is_empty() {
            out.extend_from_slice(format!(r#","{name}":"#).as_bytes());
            out.extend_from_slice(&serde_json::to_vec(text).unwrap_or_else(|_| b"null".to_vec()));
        }
    }
    if output.omitted_bytes > 0 {
        out.extend_from_slice(format!(r#","omittedOutputBytes":{}"#, output.omitted_bytes).as_bytes());
    }
    out.extend_from_slice(br#","sessionEpoch":"#);
    out.extend_from_slice(epoch.to_string().as_bytes());
    out.push(b'}');
    out
}

/// These extras as the end of this object: behind an empty one there is no comma.
fn end_of<'a>(object: &Chunks, extras: &'a [u8]) -> &'a [u8] {
    &extras[usize::from(object.len() == EMPTY.len())..]
}

/// `head`, the body without its last `cut` bytes, and `tail`.
fn join(head: &[u8], body: &Chunks, cut: usize, tail: &[u8]) -> Chunks {
    join_from(0, head, body, cut, tail)
}

/// The same, without the body's first `skip` bytes either.
fn join_from(skip: usize, head: &[u8], body: &Chunks, cut: usize, tail: &[u8]) -> Chunks {
    let length = body.len().saturating_sub(skip + cut);
    if length <= COPY_BYTES {
        let whole = body.contiguous();
        let mut one = BytesMut::with_capacity(head.len() + length + tail.len());
        one.extend_from_slice(head);
        one.extend_from_slice(whole.get(skip..skip + length).unwrap_or_default());
        one.extend_from_slice(tail);
        return Chunks::one(one.freeze());
    }
    let mut left = skip + length;
    let mut skip = skip;
    let mut pieces = vec![Bytes::copy_from_slice(head)];
    for piece in body.iter() {
        let end = piece.len().min(left);
        left -= end;
        pieces.push(piece.slice(skip.min(end)..end));
        skip = 0;
    }
    pieces.push(Bytes::copy_from_slice(tail));
    pieces.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_object_of_a_worker_makes_a_response() {
        for object in ["{}", r#"{"a":1}"#] {
            for of in [CallResult::Handle, CallResult::Object, CallResult::Exception] {
                let response =
                    Response { result: of(Chunks::one(object)), output: CapturedOutput::default(), epoch: 1 };
                let (EncodedResponse::Json(body) | EncodedResponse::Exception(body)) =
                    encode_response(response, ArrayFormat::Plain).await
                else {
                    panic!("JSON")
                };
                let told: serde_json::Value = serde_json::from_slice(&body.contiguous()).expect("JSON");
                assert_eq!((&told["sessionEpoch"], told.get("a").is_some()), (&1.into(), object != EMPTY), "{told}");
            }
        }
    }
}
