//! Arrays.

use std::borrow::Cow;
use std::io;

use beep_python_protocol::{DataDescriptor, DataFormat, DataKind, ValueError};

use super::buffer::Buffer;
use super::datum::Datum;
use super::element::Element;
use crate::error::Error;
use crate::response::{FromResponse, Response, Returned};

/// Items of one type in one or more dimensions, row after row: a `numpy.ndarray`, a tensor, a Series, an `array.array`.
///
/// As the type of a result it fetches one, whatever its size: `python.evaluate::<Array>("a").await?`. Over a pipe and in this
/// process the items are not copied again: they lie in memory that the session wrote.
#[derive(Clone, Debug)]
pub struct Array {
    dtype: String,
    shape: Vec<usize>,
    buffer: Buffer,
}

impl Array {
    /// An array of these items, row after row.
    ///
    /// # Errors
    /// [`Error::Encode`] when the shape holds another number of items.
    pub fn new<T: Element>(shape: &[usize], items: &[T]) -> Result<Array, Error> {
        let held = shape.iter().try_fold(1_usize, |held, length| held.checked_mul(*length));
        if held != Some(items.len()) {
            let source = ValueError::Mismatch(format!("{} items do not fill the shape {shape:?}", items.len()));
            return Err(Error::Encode { what: "the array".to_owned(), source });
        }
        let buffer = Buffer::from(bytemuck::cast_slice(items).to_vec());
        Ok(Array { dtype: T::DTYPE.to_owned(), shape: shape.to_vec(), buffer })
    }

    /// The type of the items, as numpy's array protocol spells it: `<f8`. `bfloat16` for that one, which has no such name.
    pub fn dtype(&self) -> &str {
        &self.dtype
    }

    /// The length of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the session may still write the items: it was made by `beep_python.shared_array`.
    pub fn is_live(&self) -> bool {
        self.buffer.as_slice().is_none()
    }

    /// The items; copied only where they are live, or do not lie as this processor wants them.
    ///
    /// # Errors
    /// [`Error::Decode`] when the items are of another type.
    pub fn items<T: Element>(&self) -> Result<Cow<'_, [T]>, Error> {
        let is_byte = T::DTYPE == "|u1" && matches!(self.dtype.as_str(), "|b1" | "|u1");
        if self.dtype != T::DTYPE && !is_byte {
            let source = ValueError::Mismatch(format!("its items are {}, not {}", self.dtype, T::DTYPE));
            return Err(Error::Decode { wanted: std::any::type_name::<T>(), found: "array", source });
        }
        match self.buffer.as_slice().map(bytemuck::try_cast_slice) {
            Some(Ok(items)) => Ok(Cow::Borrowed(items)),
            Some(Err(_)) | None => Ok(Cow::Owned(bytemuck::pod_collect_to_vec(&self.bytes().map_err(unreadable)?))),
        }
    }

    /// The bytes of the items.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    fn bytes(&self) -> io::Result<bytes::Bytes> {
        self.buffer.to_bytes()
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::malformed(format!("the memory of the array cannot be read: {error}"))
}

impl TryFrom<Datum> for Array {
    type Error = Error;

    fn try_from(datum: Datum) -> Result<Array, Error> {
        let DataDescriptor { kind, format, dtype, shape, byte_length, .. } = &datum.descriptor;
        let (DataKind::Array, DataFormat::Raw, Some(dtype), Some(shape)) = (kind, format, dtype, shape) else {
            return Err(datum.mismatch("Array", "it is no array"));
        };
        let sizes: Option<Vec<usize>> = shape.iter().map(|size| usize::try_from(*size).ok()).collect();
        // Also of items whose size is not known there are no more than can be counted.
        let count = sizes.iter().flatten().try_fold(1_usize, |count, length| count.checked_mul(*length));
        match (sizes, count) {
            (Some(sizes), Some(count)) if fills(dtype, count, *byte_length) => {
                let dtype = dtype.clone();
                Ok(Array { dtype, shape: sizes, buffer: datum.buffer })
            }
            _ => Err(datum.mismatch("Array", "its bytes do not fill its shape")),
        }
    }
}

/// Whether so many items of a type are so many bytes, as far as its name tells.
fn fills(dtype: &str, count: usize, bytes: u64) -> bool {
    item_bytes(dtype).is_none_or(|item| item.checked_mul(count as u64) == Some(bytes))
}

/// The bytes of an item; `None` of a type whose name does not tell.
fn item_bytes(dtype: &str) -> Option<u64> {
    if dtype == "bfloat16" {
        return Some(2);
    }
    let (kind, digits) = dtype.get(1..2).zip(dtype.get(2..))?;
    let digits = digits.split('[').next().unwrap_or_default();
    let size: u64 = digits.parse().ok()?;
    Some(if kind == "U" { size.saturating_mul(4) } else { size })
}

impl From<Array> for Datum {
    fn from(array: Array) -> Datum {
        let Array { dtype, shape, buffer } = array;
        let shape = Some(shape.iter().map(|size| *size as u64).collect());
        let (kind, dtype) = (DataKind::Array, Some(dtype));
        Datum::new(DataDescriptor { kind, dtype, shape, ..DataDescriptor::default() }, buffer)
    }
}

impl FromResponse for Array {
    const RETURN_TYPE: Option<&'static str> = Some(DataKind::Array.return_type());
    const DATA: Option<DataKind> = Some(DataKind::Array);

    fn from_response(response: Response<Returned>) -> Result<Array, Error> {
        Err(response.value.expected_data("Array"))
    }

    fn from_datum(response: Response<Datum>) -> Result<Array, Error> {
        response.value.try_into()
    }
}

#[cfg(feature = "ndarray")]
impl Array {
    /// The items with their shape.
    ///
    /// # Errors
    /// Those of [`items`](Self::items).
    pub fn to_ndarray<T: Element>(&self) -> Result<ndarray::ArrayD<T>, Error> {
        let items = self.items::<T>()?.into_owned();
        ndarray::ArrayD::from_shape_vec(self.shape.clone(), items).map_err(|error| Error::malformed(error.to_string()))
    }

    /// An array of these items.
    pub fn from_ndarray<T: Element, D: ndarray::Dimension>(
        items: &ndarray::ArrayBase<impl ndarray::Data<Elem = T>, D>,
    ) -> Array {
        let standard = items.as_standard_layout();
        let bytes = standard.as_slice().map(|items| bytemuck::cast_slice(items).to_vec()).unwrap_or_default();
        Array { dtype: T::DTYPE.to_owned(), shape: items.shape().to_vec(), buffer: bytes.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_their_type_and_shape() {
        let array = Array::new(&[2, 3], &[1.5_f64, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!((array.dtype(), array.shape(), array.len()), ("<f8", &[2, 3][..], 6));
        assert_eq!(array.items::<f64>().unwrap()[5], 6.0);
        assert!(array.items::<f32>().unwrap_err().to_string().contains("cannot be read as f32"));
        assert!(Array::new(&[2, 3], &[1_u8]).is_err());
        let again = Array::try_from(Datum::from(array)).unwrap();
        assert_eq!(again.items::<f64>().unwrap().len(), 6);
        assert!(Array::new::<i32>(&[0, 5], &[]).unwrap().is_empty());
    }

    #[test]
    fn unaligned_items_are_copied() {
        let bytes = bytes::Bytes::from(vec![0, 1, 0, 0, 0, 2, 0, 0, 0]).slice(1..);
        let array = Array { dtype: "<i4".to_owned(), shape: vec![2], buffer: bytes.into() };
        assert_eq!(*array.items::<i32>().unwrap(), [1, 2]);
    }

    #[test]
    fn bytes_must_fill_the_shape() {
        let datum = |dtype: &str, shape: Vec<u64>, length: usize| {
            let (kind, dtype, shape) = (DataKind::Array, Some(dtype.to_owned()), Some(shape));
            let descriptor = DataDescriptor { kind, dtype, shape, ..DataDescriptor::default() };
            Array::try_from(Datum::new(descriptor, vec![0; length].into()))
        };
        for (dtype, shape, length) in [
            ("<f8", vec![2], 16),
            ("<U3", vec![2], 24),
            ("<M8[ns]", vec![1], 8),
            ("bfloat16", vec![3], 6),
            ("|b1", vec![], 1),
        ] {
            assert!(datum(dtype, shape.clone(), length).is_ok(), "{dtype}");
            assert!(datum(dtype, shape, length + 1).is_err(), "{dtype}");
        }
        for dtype in ["<f8", "unknown", "<U9999999999999999999"] {
            assert!(datum(dtype, vec![u64::MAX, 2], 16).is_err(), "{dtype}");
        }
    }
}
