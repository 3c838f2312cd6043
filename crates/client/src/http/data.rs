//! Large data over HTTP: a body as it is, and what it is in the headers.

use beep_python_protocol::{DataDescriptor, DataFormat, DataKind, ValueError};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Uri};
use serde::Deserialize;

use crate::call::Reply;
use crate::data::Datum;
use crate::error::Error;

const DTYPE: HeaderName = HeaderName::from_static("x-beep-dtype");
const SHAPE: HeaderName = HeaderName::from_static("x-beep-shape");
const EPOCH: &str = "x-beep-session-epoch";

/// The body of a put.
pub(super) fn body(datum: &Datum) -> Result<Bytes, Error> {
    datum.buffer.to_bytes().map_err(|error| Error::malformed(format!("the data cannot be read: {error}")))
}

/// Says in the headers of a put what the body is.
pub(super) fn describe(descriptor: &DataDescriptor, headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(descriptor.format.media_type()));
    let shape = descriptor.shape.as_ref().map(|shape| shape.iter().map(u64::to_string).collect::<Vec<_>>().join(","));
    for (name, text) in [(DTYPE, descriptor.dtype.clone()), (SHAPE, shape)] {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
}

/// The route of a put, which has the name to bind.
pub(super) fn put_uri(request: &[u8]) -> Result<Uri, Error> {
    #[derive(Deserialize)]
    struct Named {
        name: Option<String>,
    }
    let name = serde_json::from_slice::<Named>(request).ok().and_then(|named| named.name);
    let path = beep_python_protocol::Operation::Put.http_path();
    let Some(name) = name else { return Ok(Uri::from_static(path)) };
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let escaped: String = name
        .bytes()
        .map(|byte| if is_safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    Uri::try_from(format!("{path}?name={escaped}")).map_err(|error| Error::Encode {
        what: format!("the name {name:?}"),
        source: ValueError::Mismatch(error.to_string()),
    })
}

/// The forms that a fetch accepts: the one that its request names, or raw where it wants no table.
pub(super) fn accept(request: &[u8]) -> HeaderValue {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Wanted {
        kind: Option<DataKind>,
        return_type: Option<String>,
        format: Option<DataFormat>,
    }
    let Wanted { kind, return_type, format } = serde_json::from_slice(request).unwrap_or_default();
    let is_table = kind == Some(DataKind::Table) || return_type.as_deref() == Some(DataKind::Table.return_type());
    let format = format.unwrap_or(if is_table { DataFormat::ArrowStream } else { DataFormat::Raw });
    HeaderValue::from_static(format.media_type())
}

/// The answer of a fetch.
pub(super) fn reply(parts: &Parts, body: Bytes) -> Result<Reply, Error> {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let media = text(CONTENT_TYPE.as_str()).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let format = DataFormat::from_media_type(media)
        .ok_or_else(|| Error::malformed(format!("data came as {media:?}, which is none of their formats")))?;
    let dtype = text(DTYPE.as_str()).map(str::to_owned);
    let shape = text(SHAPE.as_str()).map(|text| {
        text.split(',').filter(|part| !part.trim().is_empty()).map(|part| part.trim().parse()).collect::<Result<_, _>>()
    });
    let shape = shape.transpose().map_err(|_| Error::malformed("the header X-Beep-Shape cannot be read"))?;
    let kind = match (&dtype, format) {
        (Some(_), _) => DataKind::Array,
        (None, DataFormat::ArrowStream) => DataKind::Table,
        (None, _) => DataKind::Bytes,
    };
    let epoch = text(EPOCH).unwrap_or("null");
    let about = Bytes::from(format!(r#"{{"sessionEpoch":{epoch}}}"#));
    let descriptor = DataDescriptor { kind, dtype, shape, format, ..DataDescriptor::default() };
    Ok(Reply::Datum { datum: Datum::new(descriptor, body.into()), about })
}
