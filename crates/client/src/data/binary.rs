//! Bytes.

use beep_python_protocol::{DataDescriptor, DataFormat, DataKind};

use super::buffer::Buffer;
use super::datum::Datum;
use crate::error::Error;
use crate::response::{FromResponse, Response, Returned};

/// Bytes: a `bytes`, `bytearray` or `memoryview`, a `BytesIO`. An image, a model, a file.
///
/// As the type of a result it fetches them, whatever their size: `python.evaluate::<Bytes>("image").await?`.
#[derive(Clone, Debug)]
pub struct Bytes {
    buffer: Buffer,
}

impl Bytes {
    /// The bytes where they lie; they are copied where a session may be writing them.
    ///
    /// # Errors
    /// [`Error::Protocol`] when such memory cannot be read.
    pub fn to_bytes(&self) -> Result<bytes::Bytes, Error> {
        self.buffer.to_bytes().map_err(|error| Error::malformed(format!("the memory cannot be read: {error}")))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

impl<B: Into<Buffer>> From<B> for Bytes {
    fn from(buffer: B) -> Bytes {
        Bytes { buffer: buffer.into() }
    }
}

impl TryFrom<Datum> for Bytes {
    type Error = Error;

    fn try_from(datum: Datum) -> Result<Bytes, Error> {
        match datum.descriptor.format {
            DataFormat::ArrowStream => Err(datum.mismatch("Bytes", "it is an Arrow stream")),
            _ => Ok(Bytes { buffer: datum.buffer }),
        }
    }
}

impl From<Bytes> for Datum {
    fn from(bytes: Bytes) -> Datum {
        Datum::new(DataDescriptor { kind: DataKind::Bytes, ..DataDescriptor::default() }, bytes.buffer)
    }
}

impl FromResponse for Bytes {
    const RETURN_TYPE: Option<&'static str> = Some(DataKind::Bytes.return_type());
    const DATA: Option<DataKind> = Some(DataKind::Bytes);

    fn from_response(response: Response<Returned>) -> Result<Bytes, Error> {
        Err(response.value.expected_data("Bytes"))
    }

    fn from_datum(response: Response<Datum>) -> Result<Bytes, Error> {
        response.value.try_into()
    }
}
