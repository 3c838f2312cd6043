//! Tables.

use beep_python_protocol::{DataDescriptor, DataFormat, DataKind};

use super::buffer::Buffer;
use super::datum::Datum;
use crate::error::Error;
use crate::response::{FromResponse, Response, Returned};

/// Named columns, as a stream of Arrow's IPC format: a DataFrame of pandas or polars, a Table of pyarrow.
///
/// As the type of a result it fetches one. The feature `arrow` reads and makes `RecordBatch`es; without it the stream is there
/// for any other reader.
#[derive(Clone, Debug)]
pub struct Table {
    buffer: Buffer,
}

impl Table {
    /// A table from a stream of Arrow's IPC format.
    pub fn from_stream(stream: impl Into<Buffer>) -> Table {
        Table { buffer: stream.into() }
    }

    /// The stream.
    pub fn stream(&self) -> &Buffer {
        &self.buffer
    }
}

#[cfg(feature = "arrow")]
impl Table {
    /// The rows, in the batches in which they came. Their buffers lie where the table lies.
    ///
    /// # Errors
    /// [`Error::Protocol`] when the stream is none of Arrow.
    pub fn batches(&self) -> Result<Vec<arrow_array::RecordBatch>, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::malformed(format!("the table cannot be read: {error}"));
        let bytes = self.buffer.to_bytes().map_err(|error| failed(&error))?;
        // The reader panics at some streams that are none, such as a schema without the type of a column. It keeps nothing.
        match std::panic::catch_unwind(|| read(bytes.into())) {
            Ok(read) => read.map_err(|error| failed(&error)),
            Err(_) => Err(failed(&"it is no stream of Arrow")),
        }
    }

    /// A table of these rows. All batches must have the schema of the first one.
    ///
    /// # Errors
    /// [`Error::Encode`] when there are no batches, or they cannot be written.
    pub fn from_batches(batches: &[arrow_array::RecordBatch]) -> Result<Table, Error> {
        let failed = |reason: String| Error::Encode {
            what: "the table".to_owned(),
            source: beep_python_protocol::ValueError::Mismatch(reason),
        };
        let first = batches.first().ok_or_else(|| failed("there are no batches, and so no columns".to_owned()))?;
        let written = || -> Result<Vec<u8>, arrow_schema::ArrowError> {
            let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &first.schema())?;
            batches.iter().try_for_each(|batch| writer.write(batch))?;
            writer.into_inner()
        };
        Ok(Table::from_stream(written().map_err(|error| failed(error.to_string()))?))
    }
}

#[cfg(feature = "arrow")]
fn read(mut stream: arrow_buffer::Buffer) -> Result<Vec<arrow_array::RecordBatch>, arrow_schema::ArrowError> {
    let mut decoder = arrow_ipc::reader::StreamDecoder::new();
    let mut batches = Vec::new();
    while let Some(batch) = decoder.decode(&mut stream)? {
        batches.push(batch);
    }
    decoder.finish()?;
    Ok(batches)
}

impl TryFrom<Datum> for Table {
    type Error = Error;

    fn try_from(datum: Datum) -> Result<Table, Error> {
        match datum.descriptor.format {
            DataFormat::ArrowStream => Ok(Table { buffer: datum.buffer }),
            _ => Err(datum.mismatch("Table", "it is no Arrow stream")),
        }
    }
}

impl From<Table> for Datum {
    fn from(table: Table) -> Datum {
        let (kind, format) = (DataKind::Table, DataFormat::ArrowStream);
        Datum::new(DataDescriptor { kind, format, ..DataDescriptor::default() }, table.buffer)
    }
}

impl FromResponse for Table {
    const RETURN_TYPE: Option<&'static str> = Some(DataKind::Table.return_type());
    const DATA: Option<DataKind> = Some(DataKind::Table);

    fn from_response(response: Response<Returned>) -> Result<Table, Error> {
        Err(response.value.expected_data("Table"))
    }

    fn from_datum(response: Response<Datum>) -> Result<Table, Error> {
        response.value.try_into()
    }
}
