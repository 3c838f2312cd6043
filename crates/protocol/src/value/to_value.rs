//! From Rust types to a value.

use serde::ser::{self, Error as _, Serialize};

use super::error::ValueError;
use super::kinds::Value;
use super::tag;

/// The most levels of a value; a Rust type that refers to itself would be endless.
const MAX_DEPTH: usize = 120;

/// Converts any type that serde can serialize into a Python value.
///
/// Structs and maps become dicts; sequences, tuples and arrays become lists (JSON has no tuples, and most Python code
/// expects a list), `None` and `()` None, enum variants what `serde_json` makes of them. Maps keep keys of every
/// type. A [`Value`] inside stays as it is, and nothing else can be mistaken for a handle.
///
/// # Errors
/// [`ValueError::TooDeep`], or the error of the type's own `Serialize`.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, ValueError> {
    value.serialize(Writer { depth: 0 })
}

#[derive(Clone, Copy)]
struct Writer {
    depth: usize,
}

impl Writer {
    fn deeper(self) -> Result<Writer, ValueError> {
        if self.depth >= MAX_DEPTH {
            return Err(ValueError::TooDeep { limit: MAX_DEPTH });
        }
        Ok(Writer { depth: self.depth + 1 })
    }

    fn items(self, len: Option<usize>) -> Result<Items, ValueError> {
        Ok(Items { items: Vec::with_capacity(len.unwrap_or(0)), inner: self.deeper()?, variant: None })
    }

    fn pairs(self, len: Option<usize>) -> Result<Pairs, ValueError> {
        Ok(Pairs { pairs: Vec::with_capacity(len.unwrap_or(0)), inner: self.deeper()?, variant: None })
    }
}

/// An enum variant's value under the variant's name, as `serde_json` writes it.
fn in_variant(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(name) => Value::Dict(vec![(Value::from(name), value)]),
        None => value,
    }
}

macro_rules! scalars {
    ($($method:ident: $kind:ty),*) => {$(
        fn $method(self, scalar: $kind) -> Result<Value, ValueError> {
            Ok(Value::from(scalar))
        }
    )*};
}

impl ser::Serializer for Writer {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Pairs;
    type SerializeStruct = Pairs;
    type SerializeStructVariant = Pairs;

    scalars! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_f32: f32, serialize_f64: f64, serialize_str: &str
    }

    fn serialize_char(self, letter: char) -> Result<Value, ValueError> {
        Ok(Value::Str(letter.to_string()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, ValueError> {
        Ok(Value::bytes(bytes))
    }

    fn serialize_none(self) -> Result<Value, ValueError> {
        Ok(Value::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ValueError> {
        Ok(Value::None)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, ValueError> {
        Ok(Value::None)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, ValueError> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        let written = value.serialize(self)?;
        if name != tag::NEWTYPE {
            return Ok(written);
        }
        // A `Value` writes itself as JSON; here the tag is removed again.
        match written {
            Value::Dict(mut pairs) => match pairs.first() {
                Some((Value::Str(key), _)) if key.starts_with('$') => {
                    let mut beside = tag::Beside { fold: None, zone: None };
                    for (key, value) in pairs.drain(1..) {
                        match value {
                            Value::Str(zone) if key.as_str() == Some("zone") => beside.zone = Some(zone),
                            _ => beside.fold = Some(1),
                        }
                    }
                    let (key, content) = pairs.swap_remove(0);
                    tag::untag(key.as_str().unwrap_or_default(), content, beside)
                }
                _ => Ok(Value::Dict(pairs)),
            },
            other => Ok(other),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        Ok(in_variant(Some(variant), value.serialize(self.deeper()?)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items, ValueError> {
        self.items(len)
    }

    fn serialize_tuple(self, len: usize) -> Result<Items, ValueError> {
        self.items(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Items, ValueError> {
        self.items(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items, ValueError> {
        Ok(Items { variant: Some(variant), ..self.deeper()?.items(Some(len))? })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Pairs, ValueError> {
        self.pairs(len)
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Pairs, ValueError> {
        self.pairs(Some(len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Pairs, ValueError> {
        Ok(Pairs { variant: Some(variant), ..self.deeper()?.pairs(Some(len))? })
    }
}

/// The items of a list in progress.
struct Items {
    items: Vec<Value>,
    inner: Writer,
    variant: Option<&'static str>,
}

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
        self.items.push(item.serialize(self.inner)?);
        Ok(())
    }

    fn finish(self) -> Value {
        in_variant(self.variant, Value::List(self.items))
    }
}

macro_rules! items {
    ($($kind:ident::$method:ident),*) => {$(
        impl ser::$kind for Items {
            type Ok = Value;
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
                self.push(item)
            }

            fn end(self) -> Result<Value, ValueError> {
                Ok(self.finish())
            }
        }
    )*};
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// The pairs of a dict in progress. A key has `None` until its value comes.
struct Pairs {
    pairs: Vec<(Value, Value)>,
    inner: Writer,
    variant: Option<&'static str>,
}

impl Pairs {
    fn finish(self) -> Value {
        in_variant(self.variant, Value::Dict(self.pairs))
    }
}

impl ser::SerializeMap for Pairs {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.pairs.push((key.serialize(self.inner)?, Value::None));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let Some(pair) = self.pairs.last_mut() else { return Err(ValueError::custom("a value came before its key")) };
        pair.1 = value.serialize(self.inner)?;
        Ok(())
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}

macro_rules! fields {
    ($($kind:ident),*) => {$(
        impl ser::$kind for Pairs {
            type Ok = Value;
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), ValueError> {
                self.pairs.push((Value::from(key), value.serialize(self.inner)?));
                Ok(())
            }

            fn end(self) -> Result<Value, ValueError> {
                Ok(self.finish())
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);
