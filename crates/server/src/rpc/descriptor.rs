//! What data are, as a message.

use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::{DataDescriptor, ErrorCode, Problem};
use serde_json::json;

/// A descriptor as a message.
pub(super) fn written(descriptor: &DataDescriptor) -> m::DataDescriptor {
    let DataDescriptor { kind, dtype, shape, byte_length, format, .. } = descriptor;
    m::DataDescriptor {
        kind: kind.return_type().to_owned(),
        dtype: dtype.clone().unwrap_or_default(),
        shape: shape.clone().map(|sizes| m::Shape { sizes }),
        byte_length: *byte_length,
        format: format.as_str().to_owned(),
    }
}

/// What a message says of data that come; an error where it names no kind or format.
pub(super) fn read(message: m::DataDescriptor) -> Result<DataDescriptor, Problem> {
    let m::DataDescriptor { kind, dtype, shape, byte_length, format } = message;
    let named = |what: &str, name: String, default: &str| json!({ what: if name.is_empty() { default.to_owned() } else { name } });
    let mut said = named("kind", kind, "bytes");
    said["format"] = named("format", format, "raw")["format"].take();
    let descriptor: DataDescriptor = serde_json::from_value(said).map_err(|error| {
        Problem::new(ErrorCode::InvalidRequest, format!("the data are not described right: {error}"))
    })?;
    let dtype = Some(dtype).filter(|dtype| !dtype.is_empty());
    Ok(DataDescriptor { dtype, shape: shape.map(|shape| shape.sizes), byte_length, ..descriptor })
}
