//! What a client is told whose requests are refused before they are read.

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::session::service::attach::MAX_ATTACHED;

use crate::unix_socket::line_decoder::LINE_TIMEOUT;
use crate::unix_socket::request::Id;

pub(super) fn still_in_progress(id: &Id) -> Problem {
    let id = String::from_utf8_lossy(id);
    Problem::new(ErrorCode::InvalidRequest, format!("the id {id} is that of a request which is still under way"))
}

pub(super) fn too_long(longest: usize) -> Problem {
    let detail =
        format!("the line is longer than {longest} bytes, the most that this server takes; the connection ends");
    Problem::new(ErrorCode::BodyTooLarge, detail)
}

pub(super) fn too_slow() -> Problem {
    let detail = format!("the line did not arrive within {} seconds; the connection ends", LINE_TIMEOUT.as_secs());
    Problem::new(ErrorCode::RequestTimeout, detail)
}

pub(super) fn too_much_data(pieces: usize, bytes: u64, limit: u64) -> Problem {
    let detail = format!(
        "{pieces} data of {bytes} bytes follow the line, more than the {MAX_ATTACHED} of {limit} bytes that this server takes at once; the \
         connection ends"
    );
    Problem::new(ErrorCode::BodyTooLarge, detail)
}
