//! Messages that a client has compressed.

use beep_python_protocol::Problem;
use beep_python_protocol::grpc::{FRAME_HEAD_BYTES, frame_head, split_frame};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::body_budget::HeldBytes;
use crate::rpc::request::unreadable;
use crate::web::body::append;
use crate::web::content_coding::{ContentCoding, Inflater};

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// The header that says how a client may compress its messages.
pub(super) fn accepted() -> (HeaderName, HeaderValue) {
    (ACCEPT_ENCODING, HeaderValue::from_static("identity, gzip, deflate"))
}

/// The frame of a message that is not compressed any more, and has at most `limit` bytes, which hold their part of the budget.
pub(super) async fn inflate(
    frame: Bytes,
    headers: &HeaderMap,
    limit: u64,
    mut held: HeldBytes,
) -> Result<Bytes, Problem> {
    let is_compressed = frame.first().is_some_and(|flag| *flag != 0);
    if !is_compressed {
        return Ok(frame);
    }
    let coding = ContentCoding::of(headers, &ENCODING)?;
    if coding == ContentCoding::Identity {
        return Ok(frame); // which is an error to those who read it
    }
    let (_, message) = split_frame(&frame).map_err(|error| unreadable(&error))?;
    let mut inflater = Inflater::new(coding);
    let mut inflated = BytesMut::from(&frame_head(0)[..]);
    let limit = limit.saturating_add(FRAME_HEAD_BYTES as u64);
    inflater.pass_on(message, |block| append(&mut inflated, block, limit, &mut held)).await?;
    inflater.finish()?;
    let head = frame_head(inflated.len() - FRAME_HEAD_BYTES);
    inflated[..FRAME_HEAD_BYTES].copy_from_slice(&head);
    Ok(held.keep(inflated.freeze()))
}
