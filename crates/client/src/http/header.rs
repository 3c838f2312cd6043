//! Headers whose values callers give.

use beep_python_protocol::ValueError;
use http::HeaderValue;
use http::header::HeaderName;

use super::endpoint::Endpoint;
use crate::error::Error;

/// The header that carries a token.
pub(crate) fn bearer(token: &str, endpoint: &Endpoint) -> Result<HeaderValue, Error> {
    let mut header = HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|_| Error::Endpoint {
        endpoint: endpoint.to_string(),
        reason: "a header cannot carry the characters of the token".to_owned(),
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// A header whose value comes from the caller.
pub(crate) fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(value).map_err(|_| Error::Encode {
        what: format!("`{}` for the header {name}", value.escape_default()),
        source: ValueError::Mismatch("a header cannot carry its characters".to_owned()),
    })
}
