//! Bytes, arrays and tables, which go beside the JSON of a call, at the speed of memory.

pub(crate) mod array;
pub(crate) mod binary;
pub(crate) mod buffer;
pub(crate) mod datum;
mod element;
pub(crate) mod table;

pub use array::Array;
pub use binary::Bytes;
pub use buffer::Buffer;
pub use datum::Datum;
pub use element::Element;
pub use table::Table;
