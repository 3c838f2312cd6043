//! Reading the body of a request.

use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem};
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the rest of an unwanted body is read.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the body of a request, up to `limit` bytes.
pub(crate) async fn read_body(body: &mut Incoming, method: &Method, limit: u64) -> Result<Bytes, Problem> {
    if method == Method::GET {
        return Ok(Bytes::new());
    }
    let limited = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
    match tokio::time::timeout(BODY_TIMEOUT, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than {limit} bytes, the most that this server takes");
            Err(Problem::new(ErrorCode::BodyTooLarge, detail))
        }
        Ok(Err(error)) => Err(Problem::new(ErrorCode::InvalidRequest, format!("the body did not arrive: {error}"))),
        Err(_) => {
            let detail = format!("the body did not arrive within {} seconds", BODY_TIMEOUT.as_secs());
            Err(Problem::new(ErrorCode::RequestTimeout, detail))
        }
    }
}

/// Reads what an error response left unread, up to `limit` bytes: most clients read a response only after they have sent
/// their whole request.
pub(crate) async fn discard_body(body: &mut Incoming, limit: u64) {
    let reading = async {
        let mut left = limit;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(rest) = left.checked_sub(size) else { return };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, reading).await;
}
