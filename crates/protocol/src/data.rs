//! Large data: bytes, arrays and tables, which go beside the JSON of a message.

use serde::{Deserialize, Serialize};

/// What a datum is.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DataKind {
    /// Items of one type in one or more dimensions.
    Array,
    /// Named columns.
    Table,
    /// Bytes without a structure that the host knows.
    #[default]
    Bytes,
}

/// How a datum is written.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataFormat {
    /// The items of an array in C order, little-endian; or bytes as they are.
    #[default]
    Raw,
    /// An array as `numpy.save` writes it.
    Npy,
    /// A table as a stream of Arrow's IPC format.
    ArrowStream,
    /// A picture.
    Png,
    /// JSON text in UTF-8.
    Json,
}

impl DataKind {
    /// The `returnType` of a request that wants a datum of this kind.
    pub const fn return_type(self) -> &'static str {
        match self {
            DataKind::Array => "array",
            DataKind::Table => "table",
            DataKind::Bytes => "bytes",
        }
    }
}

impl DataFormat {
    /// Every format.
    pub const ALL: [DataFormat; 5] =
        [DataFormat::Raw, DataFormat::Npy, DataFormat::ArrowStream, DataFormat::Png, DataFormat::Json];

    /// The media type over HTTP.
    pub const fn media_type(self) -> &'static str {
        match self {
            DataFormat::Raw => "application/octet-stream",
            DataFormat::Npy => "application/x-npy",
            DataFormat::ArrowStream => "application/vnd.apache.arrow.stream",
            DataFormat::Png => "image/png",
            DataFormat::Json => "application/json",
        }
    }

    /// The format of a media type without parameters.
    pub fn from_media_type(text: &str) -> Option<DataFormat> {
        DataFormat::ALL.into_iter().find(|format| format.media_type().eq_ignore_ascii_case(text))
    }

    /// The word in a request and in a descriptor.
    pub const fn as_str(self) -> &'static str {
        match self {
            DataFormat::Raw => "raw",
            DataFormat::Npy => "npy",
            DataFormat::ArrowStream => "arrow-stream",
            DataFormat::Png => "png",
            DataFormat::Json => "json",
        }
    }
}

/// A datum without its bytes.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DataDescriptor {
    /// What it is.
    pub kind: DataKind,
    /// The type of an array's items, as numpy's array protocol spells it: `<f8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// The length of each dimension of an array; rows and columns of a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
    /// How many bytes it has in its format.
    pub byte_length: u64,
    /// Where it begins in memory that it shares with others; 0 in memory of its own.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// How it is written.
    pub format: DataFormat,
    /// Whether the session may still write it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
    /// Of data that a client sends as a descriptor: whether the session writes the client's memory, not a copy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_their_words() {
        for format in DataFormat::ALL {
            assert_eq!(serde_json::to_value(format).unwrap(), format.as_str());
            assert_eq!(DataFormat::from_media_type(&format.media_type().to_uppercase()), Some(format));
        }
        assert_eq!(DataFormat::from_media_type("text/plain"), None);
        for kind in [DataKind::Array, DataKind::Table, DataKind::Bytes] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.return_type());
        }
    }

    #[test]
    fn descriptor_says_no_more_than_it_must() {
        let array = DataDescriptor {
            kind: DataKind::Array,
            dtype: Some("<f8".to_owned()),
            shape: Some(vec![2, 3]),
            byte_length: 48,
            ..DataDescriptor::default()
        };
        let text = r#"{"kind":"array","dtype":"<f8","shape":[2,3],"byteLength":48,"format":"raw"}"#;
        assert_eq!(serde_json::to_string(&array).unwrap(), text);
        assert_eq!(serde_json::from_str::<DataDescriptor>(text).unwrap(), array);
        assert_eq!(serde_json::from_str::<DataDescriptor>("{}").unwrap(), DataDescriptor::default());
    }
}
