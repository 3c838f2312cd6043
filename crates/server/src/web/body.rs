//! Reading the body of a request.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem};
use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

use crate::body_budget::{BodyBudget, HeldBytes};
use crate::web::body_pace::BodyPace;
use crate::web::content_coding::{ContentCoding, Inflater};

/// How long the rest of an unwanted body is read.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// The body of a request until it is read, by routes; what they leave is discarded.
pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
    /// Whether reading was begun, upon which a client is told to go on that waits for that (`Expect: 100-continue`).
    is_begun: bool,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming) -> RequestBody {
        RequestBody { incoming: Some(incoming), is_begun: false }
    }

    /// The body, to be read.
    pub(crate) fn begin(&mut self) -> &mut Incoming {
        self.is_begun = true;
        self.incoming.as_mut().expect("nothing is read of a body that was taken")
    }

    /// The body for a reader that keeps it. From then on nothing is discarded.
    pub(crate) fn take(&mut self) -> Incoming {
        self.incoming.take().expect("a body is taken once")
    }

    /// Reads what is left, up to `limit` bytes: most clients read a response only after they have sent their whole request, and curl
    /// 7.88 drops one that comes over HTTP/2 before that. A client that waits to be told to go on has sent nothing, and is not told to.
    pub(crate) async fn discard(&mut self, headers: &HeaderMap, limit: u64) {
        let waits = || headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        if let Some(body) = &mut self.incoming
            && !body.is_end_stream()
            && (self.is_begun || !waits())
        {
            discard_body(body, limit).await;
        }
    }
}

/// Reads the body of a request, up to `limit` bytes.
pub(crate) async fn read_body(
    body: &mut Incoming,
    method: &Method,
    limit: u64,
    budget: &Arc<BodyBudget>,
) -> Result<Bytes, Problem> {
    read_coded_body(body, method, ContentCoding::Identity, limit, budget).await
}

/// Reads the body of a request that is coded, up to `limit` bytes as they come, and as many of what they stand for. It holds its part of
/// the budget as long as it lives.
pub(crate) async fn read_coded_body(
    body: &mut Incoming,
    method: &Method,
    coding: ContentCoding,
    limit: u64,
    budget: &Arc<BodyBudget>,
) -> Result<Bytes, Problem> {
    if method == Method::GET {
        return Ok(Bytes::new());
    }
    let mut held = budget.hold();
    let mut limited = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
    let read = match coding {
        ContentCoding::Identity => collect(&mut limited, limit, &mut held).await?,
        ContentCoding::Gzip | ContentCoding::Deflate => inflate(&mut limited, coding, limit, &mut held).await?,
    };
    Ok(held.keep(read))
}

/// Reads a body that is what it stands for. One that comes in one piece is not copied.
async fn collect(body: &mut Limited<&mut Incoming>, limit: u64, held: &mut HeldBytes) -> Result<Bytes, Problem> {
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    let mut pace = BodyPace::begin();
    while let Some(frame) = pace.next(body.frame()).await? {
        let piece = frame.map_err(|error| unread(&*error, limit))?.into_data().unwrap_or_default();
        pace.received(piece.len());
        held.grow(piece.len())?;
        if first.is_empty() && joined.is_empty() {
            first = piece;
            continue;
        }
        if joined.is_empty() {
            // The declared length takes no memory before its bytes arrive.
            let told = body.size_hint().lower();
            joined.reserve(first.len() + piece.len() + usize::try_from(told).unwrap_or_default());
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&piece);
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

async fn inflate(
    body: &mut Limited<&mut Incoming>,
    coding: ContentCoding,
    limit: u64,
    held: &mut HeldBytes,
) -> Result<Bytes, Problem> {
    let mut inflater = Inflater::new(coding);
    let mut inflated = BytesMut::new();
    let mut pace = BodyPace::begin();
    while let Some(frame) = pace.next(body.frame()).await? {
        let frame = frame.map_err(|error| unread(&*error, limit))?;
        let piece = frame.into_data().unwrap_or_default();
        pace.received(piece.len());
        inflater.pass_on(piece, |block| append(&mut inflated, block, limit, held)).await?;
    }
    inflater.finish()?;
    Ok(inflated.freeze())
}

/// Appends a block of what a body inflates to, which may be `limit` bytes long.
pub(crate) fn append(inflated: &mut BytesMut, block: &[u8], limit: u64, held: &mut HeldBytes) -> Result<(), Problem> {
    if (inflated.len() + block.len()) as u64 > limit {
        return Err(inflates_too_far(limit));
    }
    held.grow(block.len())?;
    inflated.extend_from_slice(block);
    Ok(())
}

/// The error for a body that is coded, and stands for more than `limit` bytes.
pub(crate) fn inflates_too_far(limit: u64) -> Problem {
    let detail = format!("the body inflates to more than {limit} bytes, the most that this server takes");
    Problem::new(ErrorCode::BodyTooLarge, detail)
}

fn unread(error: &(dyn std::error::Error + Send + Sync + 'static), limit: u64) -> Problem {
    if error.is::<LengthLimitError>() {
        let detail = format!("the body is larger than {limit} bytes, the most that this server takes");
        return Problem::new(ErrorCode::BodyTooLarge, detail);
    }
    Problem::new(ErrorCode::InvalidRequest, format!("the body did not arrive: {error}"))
}

async fn discard_body(body: &mut Incoming, limit: u64) {
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
