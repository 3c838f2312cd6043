//! What a request declares its body to be.

use beep_python_protocol::DataFormat;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The media type of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/grpc`, as protobuf.
    Grpc,
    /// Any of the formats of data.
    Data,
}

/// The charset of a body that is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, or none is declared.
    Utf8,
    /// Another one, or one that is not known: the header says which.
    Other,
}

impl Media {
    /// The type that a request declares: gRPC, or else it has to be JSON.
    pub fn of(headers: &HeaderMap) -> Media {
        match headers.get(CONTENT_TYPE) {
            Some(kind) if Media::Grpc.is_declared_by(kind.as_bytes()) => Media::Grpc,
            _ => Media::Json,
        }
    }

    /// Whether a content type is of this kind. Parameters do not matter.
    pub(super) fn is_declared_by(self, content_type: &[u8]) -> bool {
        let kind = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let is = |name: &str| kind.eq_ignore_ascii_case(name.as_bytes());
        match self {
            Media::Json => is("application/json"),
            Media::Grpc => is("application/grpc") || is("application/grpc+proto"),
            Media::Data => DataFormat::ALL.into_iter().any(|format| is(format.media_type())),
        }
    }
}

impl Charset {
    /// The charset that a content type declares.
    pub(super) fn declared_by(content_type: &[u8]) -> Charset {
        let is_utf8 = |label: &[u8]| label.eq_ignore_ascii_case(b"utf-8") || label.eq_ignore_ascii_case(b"utf8");
        if Charset::labels(content_type).all(is_utf8) { Charset::Utf8 } else { Charset::Other }
    }

    /// What the parameters `charset` of a content type say: one as a rule, or none.
    pub(crate) fn labels(content_type: &[u8]) -> impl Iterator<Item = &[u8]> {
        let parameters = content_type.split(|&byte| byte == b';').skip(1).map(<[u8]>::trim_ascii);
        parameters.filter_map(|parameter| {
            let (name, label) = parameter.split_at_checked(b"charset=".len())?;
            let label = label.strip_prefix(b"\"").and_then(|label| label.strip_suffix(b"\"")).unwrap_or(label);
            name.eq_ignore_ascii_case(b"charset=").then_some(label)
        })
    }
}
