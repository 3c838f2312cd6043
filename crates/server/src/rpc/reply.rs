//! Responses as messages. Values and floats pass through as they are.

use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::grpc::{Extras, FRAME_HEAD_BYTES, encode, frame_head};
use beep_python_protocol::{DataDescriptor, ErrorCode, Operation, Problem, PythonException};
use beep_python_runtime::session::service::json::Chunks;
use beep_python_runtime::session::service::json::floats::{run_blocking, take_lengths};
use beep_python_runtime::session::{CallResult, CapturedOutput, Response};
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{encode_varint, encoded_len_varint};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::rpc::descriptor::written;

/// Up to this size a copy into one chunk is cheaper than a further write.
const COPY_BYTES: usize = 16 << 10;
/// The tag of field 1 with a length: text, packed floats, a message.
const FIELD_1: u8 = 1 << 3 | 2;

/// The worker's description of an object that it keeps.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    handle_id: String,
    #[serde(default)]
    type_name: String,
    type_module: Option<String>,
    repr: Option<String>,
    shape: Option<Vec<u64>>,
    dtype: Option<String>,
    data: Option<DataDescriptor>,
}

/// The message of a response, in its frame; a problem for an error.
pub(super) async fn message(operation: Operation, reply: Response) -> Result<Chunks, Problem> {
    let Response {
        result,
        output: CapturedOutput { stdout, stderr, omitted_bytes: omitted_output_bytes },
        epoch: session_epoch,
    } = reply;
    match result {
        CallResult::Value(value) => {
            // In `value_json`, which is field 1 of all that answer with a value; so are the numbers of the rest the same.
            let extras = Extras { stdout, stderr, omitted_output_bytes, session_epoch }.encode_to_vec();
            Ok(field_1(&value, &extras))
        }
        CallResult::Handle(object) => {
            let result = Some(m::call_method_response::Result::Handle(handle(read(&object)?)));
            // Evaluate and GetAttribute have the same fields.
            Ok(Chunks::one(encode(&m::CallMethodResponse {
                result,
                stdout,
                stderr,
                omitted_output_bytes,
                session_epoch,
            })))
        }
        CallResult::Object(object) => {
            object_message(operation, &object, Extras { stdout, stderr, omitted_output_bytes, session_epoch })
                .map(Chunks::one)
        }
        CallResult::Datum(_) => {
            Err(Problem::new(ErrorCode::Internal, "data go beside messages only where they are fetched"))
        }
        CallResult::Floats(body) => Ok(field_1(&body, &[])),
        CallResult::FloatRows(body) => run_blocking(body.len(), move || rows(&body)).await.map(Chunks::one),
        CallResult::Exception(object) => Err(exception(
            &object,
            CapturedOutput { stdout, stderr, omitted_bytes: omitted_output_bytes },
            session_epoch,
        )?),
        CallResult::Problem(problem) => {
            let session_epoch = (session_epoch > 0).then_some(session_epoch);
            Err(Problem { stdout, stderr, omitted_output_bytes, session_epoch, ..*problem })
        }
    }
}

/// The problem of a Python exception.
pub(super) fn exception(object: &Chunks, output: CapturedOutput, epoch: u64) -> Result<Problem, Problem> {
    #[derive(Deserialize)]
    struct Raised {
        #[serde(default)]
        detail: String,
        exception: PythonException,
    }

    let Raised { detail, exception } = read(object)?;
    let CapturedOutput { stdout, stderr, omitted_bytes: omitted_output_bytes } = output;
    let problem = Problem::new(ErrorCode::PythonException, detail);
    Ok(Problem {
        exception: Some(Box::new(exception)),
        stdout,
        stderr,
        omitted_output_bytes,
        session_epoch: Some(epoch),
        ..problem
    })
}

fn object_message(operation: Operation, object: &Chunks, extras: Extras) -> Result<Bytes, Problem> {
    #[derive(Deserialize)]
    struct Available {
        available: bool,
    }
    #[derive(Deserialize)]
    struct Disposed {
        #[serde(default)]
        disposed: u64,
    }

    #[derive(Deserialize)]
    struct Renewed {
        #[serde(default)]
        renewed: u64,
    }

    // An evaluation that was asked for outputs.
    #[derive(Deserialize)]
    struct Evaluated {
        #[serde(default, deserialize_with = "present")]
        value: Option<Box<RawValue>>,
        outputs: Box<RawValue>,
    }

    let Extras { stdout, stderr, omitted_output_bytes, session_epoch } = extras;
    Ok(match operation {
        Operation::Evaluate => {
            let Evaluated { value, outputs } = read(object)?;
            let result = Some(match value {
                Some(value) => m::evaluate_response::Result::ValueJson(Box::<str>::from(value).into_string()),
                None => m::evaluate_response::Result::Handle(handle(read(object)?)),
            });
            let outputs_json = Box::<str>::from(outputs).into_string();
            encode(&m::EvaluateResponse { result, stdout, stderr, omitted_output_bytes, session_epoch, outputs_json })
        }
        Operation::ModuleAvailable => {
            let Available { available } = read(object)?;
            encode(&m::IsModuleAvailableResponse { available, stdout, stderr, omitted_output_bytes, session_epoch })
        }
        Operation::Describe => {
            let description_json = String::from_utf8_lossy(&object.contiguous()).into_owned();
            encode(&m::DescribeResponse { description_json, stdout, stderr, omitted_output_bytes, session_epoch })
        }
        Operation::Batch => {
            #[derive(Deserialize)]
            struct Results {
                results: Box<RawValue>,
            }
            let Results { results } = read(object)?;
            let results_json = Box::<str>::from(results).into_string();
            encode(&m::BatchResponse { results_json, stdout, stderr, omitted_output_bytes, session_epoch })
        }
        Operation::SetAttribute | Operation::SetItem | Operation::DeleteItem | Operation::Answer => {
            encode(&m::SetAttributeResponse { success: true, stdout, stderr, omitted_output_bytes, session_epoch })
        }
        Operation::Dispose => {
            let Disposed { disposed } = read(object)?;
            encode(&m::DisposeHandleResponse {
                success: true,
                disposed,
                stdout,
                stderr,
                omitted_output_bytes,
                session_epoch,
            })
        }
        Operation::Renew => {
            let Renewed { renewed } = read(object)?;
            encode(&m::RenewHandleResponse {
                success: true,
                renewed,
                stdout,
                stderr,
                omitted_output_bytes,
                session_epoch,
            })
        }
        _ => {
            // ImportModule and WrapValue have the same fields.
            let Kept { handle_id, type_name, type_module, .. } = read(object)?;
            encode(&m::CreateObjectResponse {
                handle_id,
                type_name,
                stdout,
                stderr,
                omitted_output_bytes,
                session_epoch,
                type_module,
            })
        }
    })
}

/// A key that is there, also with null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

fn handle(kept: Kept) -> m::HandleResult {
    let Kept { handle_id, type_name, type_module, repr, shape, dtype, data } = kept;
    let (shape, data) = (shape.map(|sizes| m::Shape { sizes }), data.as_ref().map(written));
    m::HandleResult { handle_id, type_name, repr, shape, dtype, type_module, data }
}

fn read<T: DeserializeOwned>(object: &Chunks) -> Result<T, Problem> {
    serde_json::from_slice(&object.contiguous())
        .map_err(|error| Problem::new(ErrorCode::Internal, format!("the worker's answer cannot be read: {error}")))
}

/// A framed message: these bytes in field 1, then further fields as they are.
fn field_1(body: &Chunks, rest: &[u8]) -> Chunks {
    let length = body.len();
    let field_head = 1 + encoded_len_varint(length as u64);
    let copied = if length <= COPY_BYTES { length + rest.len() } else { 0 };
    let mut head = BytesMut::with_capacity(FRAME_HEAD_BYTES + field_head + copied);
    head.put_slice(&frame_head(field_head + length + rest.len()));
    head.put_u8(FIELD_1);
    encode_varint(length as u64, &mut head);
    if length <= COPY_BYTES {
        body.iter().for_each(|piece| head.put_slice(piece));
        head.put_slice(rest);
        return Chunks::one(head.freeze());
    }
    let pieces = std::iter::once(head.freeze()).chain(body.iter().cloned());
    pieces.chain(std::iter::once(Bytes::copy_from_slice(rest))).collect()
}

/// A framed message with each row in a message of its own.
fn rows(body: &Chunks) -> Result<Bytes, Problem> {
    let mut floats = body.contiguous();
    let lengths: Vec<u64> = take_lengths(&mut floats)?.into_iter().map(|length| length as u64 * 4).collect();
    let row = |length: u64| 1 + encoded_len_varint(length) as u64 + length;
    let whole: u64 = lengths.iter().map(|&length| 1 + encoded_len_varint(row(length)) as u64 + row(length)).sum();
    let mut out = BytesMut::with_capacity(FRAME_HEAD_BYTES + whole as usize);
    out.put_slice(&frame_head(whole as usize));
    for length in lengths {
        out.put_u8(FIELD_1);
        encode_varint(row(length), &mut out);
        out.put_u8(FIELD_1);
        encode_varint(length, &mut out);
        out.put_slice(&floats.split_to(length as usize));
    }
    Ok(out.freeze())
}
