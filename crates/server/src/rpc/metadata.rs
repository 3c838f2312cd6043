//! What a gRPC request says about itself, beside what it asks for.

use std::time::Duration;

use beep_python_protocol::grpc::{
    CALLBACK, CANCEL_ON_DISCONNECT, CAPABILITIES, ERRORS, ERRORS_AS_MESSAGE, GRACE, ISOLATED, LEASE, LIMITS, REQUEST,
    SESSION, VALUES,
};
use beep_python_protocol::{Capabilities, ErrorCode, Problem};
use beep_python_runtime::session::RequestId;
use http::HeaderMap;

use crate::web::call_options::{flag, words_of};
use beep_python_runtime::session::service::operation::{CallOptions, capabilities_named, form_named, limits_named};

/// Whether the client takes the details of an error as a message, which has room for all of them.
pub(super) fn errors_as_message(headers: &HeaderMap) -> bool {
    headers.get(ERRORS).is_some_and(|how| how == ERRORS_AS_MESSAGE)
}

/// Reads the envelope.
pub(super) fn read(headers: &HeaderMap) -> Result<CallOptions, Problem> {
    let header = |name: &str| -> Result<Option<&str>, Problem> {
        let Some(value) = headers.get(name) else { return Ok(None) };
        value.to_str().map(Some).map_err(|_| invalid(format!("the metadata {name} must be plain ASCII")))
    };
    let form = form_named(header(VALUES)?)?;
    let deadline = match header("grpc-timeout")? {
        None => None,
        Some(text) => Some(timeout(text).ok_or_else(|| invalid(format!("grpc-timeout cannot be read: '{text}'")))?),
    };
    let milliseconds = |name| -> Result<Option<Duration>, Problem> {
        let Some(text) = header(name)? else { return Ok(None) };
        let wrong = |_| invalid(format!("the metadata {name} must be whole milliseconds, not '{text}'"));
        Ok(Some(Duration::from_millis(text.trim().parse().map_err(wrong)?)))
    };
    let (grace, lease) = (milliseconds(GRACE)?, milliseconds(LEASE)?);
    let limits = header(LIMITS)?.map(limits_named).transpose()?;
    let name = header(REQUEST)?.map(|id| RequestId::new(id.as_bytes().to_vec()));
    let asked = |name| flag(header(name)?).ok_or_else(|| invalid(format!("the metadata {name} must be true or false")));
    let (cancel_on_disconnect, isolated) = (asked(CANCEL_ON_DISCONNECT)?, asked(ISOLATED)?);
    let capabilities =
        header(CAPABILITIES)?.map_or(Ok(Capabilities::NONE), |text| capabilities_named(words_of(text)))?;
    let (session, callback) = (header(SESSION)?.map(str::to_owned), header(CALLBACK)?.map(str::to_owned));
    Ok(CallOptions {
        session,
        form,
        deadline,
        grace,
        limits,
        lease,
        name,
        cancel_on_disconnect,
        isolated,
        capabilities,
        callback,
    })
}

/// Up to eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = match number.len() {
        1..=8 if number.bytes().all(|digit| digit.is_ascii_digit()) => number.parse().ok()?,
        _ => return None,
    };
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

fn invalid(detail: String) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read() {
        assert_eq!(timeout("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(timeout("99999999M"), Some(Duration::from_secs(99_999_999 * 60)));
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("7u"), Some(Duration::from_micros(7)));
        assert_eq!(timeout("7n"), Some(Duration::from_nanos(7)));
        for wrong in ["", "S", "5", "5s", "-5S", "1.5S", "123456789S", "5 S", "5\u{e4}"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }
}
