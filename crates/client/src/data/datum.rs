//! A datum of any kind.

use beep_python_protocol::{DataDescriptor, DataKind, ValueError};

use super::buffer::Buffer;
use crate::error::Error;

/// Bytes, an array or a table: what it is, and its bytes. [`Array`](crate::Array), [`Table`](crate::Table) and
/// [`Bytes`](crate::Bytes) are made of one.
#[derive(Clone, Debug)]
pub struct Datum {
    /// What it is.
    pub descriptor: DataDescriptor,
    /// Its bytes: as many as the descriptor says, from the first of them on.
    pub buffer: Buffer,
}

impl Datum {
    pub(crate) fn new(descriptor: DataDescriptor, buffer: Buffer) -> Datum {
        Datum { descriptor: DataDescriptor { byte_length: buffer.len() as u64, ..descriptor }, buffer }
    }

    /// The error of a datum that is something else.
    pub(crate) fn mismatch(&self, wanted: &'static str, what: impl Into<String>) -> Error {
        let found = match self.descriptor.kind {
            DataKind::Array => "array",
            DataKind::Table => "table",
            DataKind::Bytes => "bytes",
        };
        Error::Decode { wanted, found, source: ValueError::Mismatch(what.into()) }
    }
}
