//! Large data over gRPC: a message that says what they are, then their bytes in chunks.

use std::io::Write;
use std::sync::Arc;

use beep_python_memory::MemoryWriter;
use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::grpc::{FRAME_HEAD_BYTES, encode, frame_head, unframe};
use beep_python_protocol::{CallOptions, DataDescriptor, ErrorCode, GrpcCode, Operation, Problem};
use beep_python_runtime::session::service::attach::{Attachment, attach};
use beep_python_runtime::session::{CallResult, CapturedOutput, Datum, DatumPieces, Payload, Response, TakesData};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, Version};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use prost::Message;
use prost::encoding::encode_varint;
use serde::Deserialize;
use serde_json::json;
use tracing::Instrument;

use crate::body_budget::{BodyBudget, HeldBytes};
use crate::rpc::descriptor::{read, written};
use crate::rpc::events::Messages;
use crate::rpc::request::{json_body, unreadable};
use crate::rpc::reset::ReadRequest;
use crate::rpc::status::{status, trailers_of};
use crate::rpc::{compression, reply};
use crate::server_context::ServerContext;
use crate::spans;
use crate::transport::Transport;
use crate::web::body_pace::BodyPace;

/// The tag of a chunk in a message: field 2 with a length.
const CHUNK: u8 = 2 << 3 | 2;
/// How much of the data one message has: a whole number of pieces. Every client takes messages of 4 MiB.
const MESSAGE_BYTES: u64 = 1 << 20;

/// Sends an object.
pub(super) async fn fetch(
    server: &ServerContext,
    options: &mut CallOptions,
    request: &mut ReadRequest,
    body: &Bytes,
) -> Result<Messages, Problem> {
    let payload = Payload { takes: TakesData::Bytes, ..json_body(Operation::Fetch, body)?.into() };
    let span = spans::session_request(Operation::Fetch, options);
    let executed = request.execute(server, Operation::Fetch, options, payload);
    let Response { result, output, epoch } = executed.instrument(span).await?;
    match result {
        CallResult::Datum(datum) => Ok(messages(*datum, output, epoch)),
        result => {
            let refused = reply::message(Operation::Fetch, Response { result, output, epoch }).await;
            let other =
                || Problem::new(ErrorCode::Internal, "the session answered a fetch with something else than data");
            Err(refused.err().unwrap_or_else(other))
        }
    }
}

enum Next {
    First(Box<Datum>, CapturedOutput, u64),
    /// The next message begins, or there is none.
    Message(DatumPieces),
    /// So much of the message's chunk is left.
    Chunk(DatumPieces, u64),
    End,
}

fn messages(datum: Datum, output: CapturedOutput, epoch: u64) -> Messages {
    let first = Next::First(Box::new(datum), output, epoch);
    Box::pin(stream::unfold(first, |next| async move {
        match next {
            Next::First(
                datum,
                CapturedOutput { stdout, stderr, omitted_bytes: omitted_output_bytes },
                session_epoch,
            ) => {
                let part = Some(m::fetch_response::Part::Data(written(&datum.descriptor)));
                let message = encode(&m::FetchResponse { part, stdout, stderr, omitted_output_bytes, session_epoch });
                Some((Frame::data(message), Next::Message(datum.into_pieces())))
            }
            Next::Message(pieces) => {
                let length = pieces.remaining().min(MESSAGE_BYTES);
                match length {
                    0 => Some((Frame::trailers(HeaderMap::from_iter([status(GrpcCode::Ok)])), Next::End)),
                    _ => Some((Frame::data(chunk_head(length)), Next::Chunk(pieces, length))),
                }
            }
            Next::Chunk(mut pieces, left) => match pieces.next_up_to(left) {
                Some(Ok(piece)) => {
                    let left = left - piece.len() as u64;
                    let next = if left == 0 { Next::Message(pieces) } else { Next::Chunk(pieces, left) };
                    Some((Frame::data(piece), next))
                }
                failed => {
                    let reason =
                        failed.and_then(Result::err).map_or("it ended early".to_owned(), |error| error.to_string());
                    let problem = Problem::new(ErrorCode::DataLost, format!("the data cannot be read: {reason}"));
                    Some((Frame::trailers(trailers_of(&problem)), Next::End))
                }
            },
            Next::End => None,
        }
    }))
}

/// What stands before the bytes of a chunk: the head of the frame, and of the field.
fn chunk_head(length: u64) -> Bytes {
    let mut field = BytesMut::with_capacity(16);
    field.put_u8(CHUNK);
    encode_varint(length, &mut field);
    let mut head = BytesMut::with_capacity(FRAME_HEAD_BYTES + field.len());
    head.put_slice(&frame_head(field.len() + length as usize));
    head.put_slice(&field);
    head.freeze()
}

/// Keeps what the client sends. It goes into memory of the kernel chunk by chunk.
pub(super) async fn put(
    server: &ServerContext,
    options: &mut CallOptions,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Bytes, Problem> {
    let invalid = |detail: &str| Problem::new(ErrorCode::InvalidRequest, detail);
    let failed =
        |error: &dyn std::fmt::Display| Problem::new(ErrorCode::Internal, format!("the data cannot be kept: {error}"));
    let limit = server.access.max_data_bytes();
    let (longest, budget) = (server.access.max_body_bytes(), server.bodies.clone());
    let mut requests = Requests {
        body,
        headers,
        read: BytesMut::new(),
        held: budget.hold(),
        longest,
        budget,
        pace: BodyPace::begin(),
    };
    let Some(m::PutRequest { part: Some(m::put_request::Part::Data(described)), name }) = requests.next().await? else {
        return Err(invalid("the first message must say what the data are: its field 'data' is missing"));
    };
    let descriptor = read(described)?;
    let mut writer = MemoryWriter::create().map_err(|error| failed(&error))?;
    let mut length = 0;
    while let Some(request) = requests.next().await? {
        let Some(m::put_request::Part::Chunk(chunk)) = request.part else {
            return Err(invalid("only the first message says what the data are; the others have a 'chunk' each"));
        };
        length += chunk.len() as u64;
        if length > limit {
            let detail = format!("the data are larger than {limit} bytes, the most that this server takes");
            return Err(Problem::new(ErrorCode::BodyTooLarge, detail));
        }
        writer.write_all(&chunk).map_err(|error| failed(&error))?;
    }
    if ![0, length].contains(&descriptor.byte_length) {
        let said = descriptor.byte_length;
        return Err(invalid(&format!(
            "the data have {length} bytes, and their description says {said}: some are missing"
        )));
    }
    let memory = writer.finish().map_err(|error| failed(&error))?;
    let descriptor = DataDescriptor { byte_length: length, ..descriptor };
    let request = name.map_or(json!({}), |name| json!({ "name": name })).to_string().into();
    let payload = attach(&server.sessions, options, &request, vec![Attachment { descriptor, memory }])?;
    let mut read = ReadRequest::new(Transport::Grpc, Version::HTTP_2, requests.body);
    let span = spans::session_request(Operation::Put, options);
    let executed = read.execute(server, Operation::Put, options, payload);
    kept(executed.instrument(span).await?).await
}

async fn kept(response: Response) -> Result<Bytes, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kept {
        handle_id: Option<String>,
        #[serde(default)]
        type_name: String,
        type_module: Option<String>,
        shape: Option<Vec<u64>>,
        dtype: Option<String>,
    }

    let Response { result: CallResult::Handle(object) | CallResult::Object(object), output, epoch } = response else {
        let refused = reply::message(Operation::Put, response).await;
        let other =
            || Problem::new(ErrorCode::Internal, "the session answered a put with something else than a handle");
        return Err(refused.err().unwrap_or_else(other));
    };
    let Kept { handle_id, type_name, type_module, shape, dtype } = serde_json::from_slice(&object.contiguous())
        .map_err(|error| Problem::new(ErrorCode::Internal, format!("the worker's answer cannot be read: {error}")))?;
    let CapturedOutput { stdout, stderr, omitted_bytes: omitted_output_bytes } = output;
    let shape = shape.map(|sizes| m::Shape { sizes });
    Ok(encode(&m::PutResponse {
        handle_id,
        type_name,
        type_module,
        shape,
        dtype,
        stdout,
        stderr,
        omitted_output_bytes,
        session_epoch: epoch,
    }))
}

/// The messages of a client, as they come.
struct Requests<'a> {
    body: Incoming,
    headers: &'a HeaderMap,
    read: BytesMut,
    /// The place of the message that comes.
    held: HeldBytes,
    longest: u64,
    budget: Arc<BodyBudget>,
    pace: BodyPace,
}

impl Requests<'_> {
    async fn next(&mut self) -> Result<Option<m::PutRequest>, Problem> {
        loop {
            if let Some(head) = self.read.first_chunk::<FRAME_HEAD_BYTES>() {
                let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
                if u64::from(length) > self.longest {
                    let detail = format!(
                        "a message of {length} bytes is larger than {}, the most that this server takes",
                        self.longest
                    );
                    return Err(Problem::new(ErrorCode::BodyTooLarge, detail));
                }
                let whole = FRAME_HEAD_BYTES + length as usize;
                if self.read.len() >= whole {
                    let frame = self.read.split_to(whole).freeze();
                    let frame = compression::inflate(frame, self.headers, self.longest, self.budget.hold()).await?;
                    // The message is copied as it is decoded, and written away before the next one.
                    self.held = self.budget.hold();
                    self.held.grow(self.read.len())?;
                    let message = unframe(&frame).map_err(|error| unreadable(&error))?;
                    let read = m::PutRequest::decode(message);
                    return read.map(Some).map_err(|error| unreadable(&error.into()));
                }
                self.read.reserve(whole - self.read.len());
            }
            match self.pace.next(self.body.frame()).await? {
                Some(Ok(frame)) => {
                    let piece = frame.into_data().unwrap_or_default();
                    self.pace.received(piece.len());
                    self.held.grow(piece.len())?;
                    self.read.extend_from_slice(&piece);
                }
                Some(Err(error)) => {
                    return Err(Problem::new(ErrorCode::InvalidRequest, format!("the data did not arrive: {error}")));
                }
                None if self.read.is_empty() => return Ok(None),
                None => return Err(Problem::new(ErrorCode::InvalidRequest, "the last message is cut off")),
            }
        }
    }
}
