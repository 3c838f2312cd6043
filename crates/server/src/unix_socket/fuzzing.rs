//! What a client of the pipe sends, as a function of any bytes.

use bytes::Bytes;

use super::line_decoder::LineDecoder;
use super::request::read;
use crate::body_budget::BodyBudget;

const LONGEST_LINE: usize = 1 << 10;

/// The first byte says in which pieces the others arrive; the lines are the same however they do.
pub(crate) fn pipe_lines(input: &[u8]) {
    let Some((&size, bytes)) = input.split_first() else { return };
    let pieces = lines(bytes.chunks(usize::from(size) + 1));
    let whole = lines([bytes].into_iter());
    // A line that is too long is told before its end when that comes later.
    assert!(whole.starts_with(&pieces) || pieces.starts_with(&whole), "{pieces:?} {whole:?}");
    for line in &whole {
        let read = read(line);
        let id = match &read.request {
            Ok(request) => request.id.as_ref(),
            Err(refused) => refused.id.as_ref(),
        };
        // It stands in the answer as it is.
        let is_id = |id: &Bytes| {
            serde_json::from_slice::<serde_json::Value>(id).is_ok_and(|id| id.is_string() || id.is_number())
        };
        assert!(id.is_none_or(is_id), "{id:?}");
        if let Ok(request) = &read.request {
            assert!(
                serde_json::from_slice::<serde_json::Value>(&request.payload).is_ok_and(|payload| payload.is_object())
            );
        }
    }
}

fn lines<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Bytes> {
    let (mut decoder, mut lines) = (LineDecoder::new(LONGEST_LINE, BodyBudget::new(1 << 20)), Vec::new());
    for piece in pieces {
        if decoder.push(piece).is_err() {
            return lines;
        }
        loop {
            match decoder.next() {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => break,
                Err(_) => return lines,
            }
        }
    }
    lines
}
