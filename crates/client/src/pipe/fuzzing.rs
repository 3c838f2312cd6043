//! What a host answers over the pipe, as a function of any bytes.

use bytes::Bytes;

use super::line::{PipeResponse, data_of, read, read_event};

pub(crate) fn pipe_answer(input: &[u8]) {
    let line = Bytes::copy_from_slice(input);
    let _ = (data_of(&line), read_event(&line));
    let _ = read(PipeResponse { line: line.clone(), data: Some(line.into()) });
}
