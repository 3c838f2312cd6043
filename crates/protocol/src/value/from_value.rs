//! From a value to Rust types.

use std::fmt::Display;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};

use super::error::ValueError;
use super::json::with_tag;
use super::kinds::Value;
use super::tag;

/// Reads a value as a Rust type.
///
/// Tuples, sets and lists become sequences, a dict becomes a map or struct (or a sequence of pairs), `None` becomes an
/// `Option` or `()`, bytes become a byte buffer or `Vec<u8>`, an int any integer that can hold it, or a float. Decimals,
/// dates, UUIDs and paths become strings, a member of an Enum its value; `Value` keeps everything.
///
/// # Errors
/// [`ValueError::Mismatch`] when the value is not a `T`. Nothing is rounded, and no float becomes an integer.
///
/// ```
/// use beep_python_protocol::{Value, from_value};
///
/// let value: Value = serde_json::from_str(r#"{"$tuple": [1, "one", [1.0, {"$float": "NaN"}]]}"#).unwrap();
/// let (number, name, floats): (u8, String, Vec<f64>) = from_value(value).unwrap();
/// assert_eq!((number, name.as_str(), floats.len()), (1, "one", 2));
/// ```
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ValueError> {
    T::deserialize(value)
}

impl<'de> IntoDeserializer<'de, ValueError> for Value {
    type Deserializer = Value;

    fn into_deserializer(self) -> Value {
        self
    }
}

/// Fails with an error that names the Python type.
fn mismatch<T>(value: &Value, wanted: &dyn Display) -> Result<T, ValueError> {
    Err(ValueError::Mismatch(format!("a Python {} is no {wanted}", value.type_name())))
}

impl<'de> Deserializer<'de> for Value {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Value::None => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::Int(number) => visitor.visit_i64(number),
            Value::BigInt(number) => {
                let digits = number.digits();
                if let Ok(number) = digits.parse() {
                    visitor.visit_u64(number)
                } else if let Ok(number) = digits.parse() {
                    visitor.visit_i128(number)
                } else if let Ok(number) = digits.parse() {
                    visitor.visit_u128(number)
                } else {
                    let unexpected = format!("an int of {} digits", digits.trim_start_matches('-').len());
                    Err(ValueError::invalid_type(Unexpected::Other(&unexpected), &visitor))
                }
            }
            Value::Float(number) => visitor.visit_f64(number),
            Value::Complex(real, imaginary) => {
                visitor.visit_seq(SeqDeserializer::new([real, imaginary].map(Value::Float).into_iter()))
            }
            Value::Str(text) | Value::Decimal(text) | Value::Date(text) | Value::Uuid(text) | Value::Path(text) => {
                visitor.visit_string(text)
            }
            Value::Enum(member) => member.value.deserialize_any(visitor),
            Value::DateTime(moment) => visitor.visit_string(moment.iso),
            Value::Time(time) => visitor.visit_string(time.iso),
            Value::TimeDelta(delta) => {
                let parts = [i64::from(delta.days), i64::from(delta.seconds), i64::from(delta.microseconds)];
                visitor.visit_seq(SeqDeserializer::new(parts.map(Value::Int).into_iter()))
            }
            Value::SurrogateStr(_) => {
                Err(ValueError::invalid_type(Unexpected::Other("a str with lone surrogates"), &visitor))
            }
            Value::Bytes(bytes) | Value::ByteArray(bytes) => visitor.visit_byte_buf(bytes),
            Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
                let mut items = SeqDeserializer::new(items.into_iter());
                let sequence = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(sequence)
            }
            Value::Dict(pairs) => {
                let mut entries = MapDeserializer::new(pairs.into_iter());
                let map = visitor.visit_map(&mut entries)?;
                entries.end()?;
                Ok(map)
            }
            Value::Callback(_) => Err(ValueError::invalid_type(Unexpected::Other("a callback"), &visitor)),
            Value::Handle(_) => Err(ValueError::invalid_type(Unexpected::Other("a handle"), &visitor)),
            Value::StepResult(_) | Value::Slice(_) | Value::Ellipsis => {
                Err(ValueError::invalid_type(Unexpected::Other(self.type_name()), &visitor))
            }
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.as_f64() {
            Some(number) => visitor.visit_f64(number),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Value::SurrogateStr(text) => visitor.visit_byte_buf(text.as_bytes().to_vec()),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Value::None => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        if name == tag::NEWTYPE {
            visitor.visit_newtype_struct(with_tag(self))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Value::Bytes(bytes) | Value::ByteArray(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.into_iter())),
            Value::Dict(pairs) => {
                let pairs = pairs.into_iter().map(|(key, value)| Value::Tuple(vec![key, value]));
                visitor.visit_seq(SeqDeserializer::new(pairs))
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Value::Bytes(_) | Value::ByteArray(_) => self.deserialize_seq(visitor),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self {
            Value::Enum(member) => member.value.deserialize_enum(name, variants, visitor),
            Value::Str(variant) => visitor.visit_enum(variant.into_deserializer()),
            Value::Dict(pairs) if pairs.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(pairs.into_iter())))
            }
            other => mismatch(&other, &format_args!("variant of {name}")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string unit unit_struct map struct identifier
    }
}
