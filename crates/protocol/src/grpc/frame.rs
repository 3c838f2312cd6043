//! Frames: a byte that says whether the message is compressed, its length in four bytes, and the message.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

/// The length of a frame's head.
pub const FRAME_HEAD_BYTES: usize = 5;

/// Why a body is not one message.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// It is shorter than its head says, or more follows.
    #[error("the body is {found} bytes long, its frame says {said}")]
    Length {
        /// The length by its head, head included.
        said: u64,
        /// The actual length.
        found: usize,
    },
    /// It is compressed, and nothing says how.
    #[error("the message is compressed, and no header grpc-encoding says how")]
    Compressed,
    /// It is not a message of the type.
    #[error("the message cannot be read: {0}")]
    Message(#[from] prost::DecodeError),
}

/// The fields that every response of a session has, with the same numbers in each.
#[derive(Clone, PartialEq, Message)]
pub struct Extras {
    /// What the call wrote to standard output.
    #[prost(string, tag = "16")]
    pub stdout: String,
    /// What the call wrote to standard error.
    #[prost(string, tag = "17")]
    pub stderr: String,
    /// The session's epoch.
    #[prost(uint64, tag = "18")]
    pub session_epoch: u64,
    /// How many bytes of the output were left out.
    #[prost(uint64, tag = "24")]
    pub omitted_output_bytes: u64,
}

/// The head of the frame of a message that is `length` bytes long.
pub fn frame_head(length: usize) -> [u8; FRAME_HEAD_BYTES] {
    let mut head = [0; FRAME_HEAD_BYTES];
    // Messages are capped far below 4 GiB.
    head[1..].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    head
}

/// A message in its frame.
pub fn encode(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(FRAME_HEAD_BYTES + length);
    frame.put_slice(&frame_head(length));
    // It fails only without room, and there is room.
    let _ = message.encode(&mut frame);
    frame.freeze()
}

/// The bytes of the one message in a body.
///
/// # Errors
/// [`FrameError`] when the body is not exactly one frame of a message that is not compressed.
pub fn unframe(body: &Bytes) -> Result<Bytes, FrameError> {
    let (is_compressed, message) = split_frame(body)?;
    if is_compressed { Err(FrameError::Compressed) } else { Ok(message) }
}

/// Whether the one message in a body is compressed, and its bytes.
///
/// # Errors
/// [`FrameError::Length`] when the body is not exactly one frame.
pub fn split_frame(body: &Bytes) -> Result<(bool, Bytes), FrameError> {
    let Some((head, _)) = body.split_first_chunk::<FRAME_HEAD_BYTES>() else {
        return Err(FrameError::Length { said: FRAME_HEAD_BYTES as u64, found: body.len() });
    };
    let said = FRAME_HEAD_BYTES as u64 + u64::from(u32::from_be_bytes([head[1], head[2], head[3], head[4]]));
    if said != body.len() as u64 {
        return Err(FrameError::Length { said, found: body.len() });
    }
    Ok((head[0] != 0, body.slice(FRAME_HEAD_BYTES..)))
}

/// The one message in a body.
///
/// # Errors
/// [`FrameError`] when the body is not exactly one frame with a message of this type.
pub fn decode<M: Message + Default>(body: &Bytes) -> Result<M, FrameError> {
    Ok(M::decode(unframe(body)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::messages::EvaluateRequest;

    #[test]
    fn a_frame_is_exactly_one_message() {
        let request = EvaluateRequest { expression: "1+1".to_owned(), ..EvaluateRequest::default() };
        let frame = encode(&request);
        assert_eq!(&frame[..], b"\0\0\0\0\x05\x0a\x031+1");
        assert_eq!(decode::<EvaluateRequest>(&frame), Ok(request));
        for short in 0..frame.len() {
            let error = decode::<EvaluateRequest>(&frame.slice(..short)).unwrap_err();
            assert!(matches!(error, FrameError::Length { found, .. } if found == short), "{error}");
        }
        let two = Bytes::from([&frame[..], &frame[..]].concat());
        assert!(matches!(decode::<EvaluateRequest>(&two), Err(FrameError::Length { .. })));
        let compressed = Bytes::from_static(b"\x01\0\0\0\x00");
        assert_eq!(decode::<EvaluateRequest>(&compressed), Err(FrameError::Compressed));
        let wrong = Bytes::from_static(b"\0\0\0\0\x02\x08\x01");
        assert!(matches!(decode::<EvaluateRequest>(&wrong), Err(FrameError::Message(_))));
    }
}
