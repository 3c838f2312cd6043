//! A value in the exact form, to and from JSON.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::kinds::{BigInt, DateTime, EnumMember, HandleRef, Time, TimeDelta, Value};
use super::tag::{self, Beside, Content};

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(tag::NEWTYPE, &Exact(self))
    }
}

struct Exact<'a>(&'a Value);

impl Serialize for Exact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some((tag, content, beside)) = tag::tagged(self.0) {
            let mut map = serializer.serialize_map(Some(1 + beside.len()))?;
            map.serialize_entry(tag, &content)?;
            if let Some(fold) = beside.fold {
                map.serialize_entry("fold", &fold)?;
            }
            if let Some(zone) = beside.zone {
                map.serialize_entry("zone", zone)?;
            }
            return map.end();
        }
        match self.0 {
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Str(text) => serializer.serialize_str(text),
            Value::List(items) => serializer.collect_seq(items),
            Value::Dict(pairs) => {
                serializer.collect_map(pairs.iter().map(|(key, value)| (key.as_str().unwrap_or_default(), value)))
            }
            _ => serializer.serialize_unit(),
        }
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Content::Text(text) => serializer.serialize_str(text),
            Content::Digits(number) => serializer.collect_str(number),
            Content::Base64(text) => serializer.serialize_str(text),
            Content::Items(items) => serializer.collect_seq(*items),
            Content::Pairs(pairs) => serializer.collect_seq(pairs.iter().map(|(key, value)| [key, value])),
            Content::Parts(parts) => serializer.collect_seq(parts.map(Value::Float)),
            Content::Number(number) => serializer.serialize_u32(*number),
            Content::True => serializer.serialize_bool(true),
            Content::Enum(EnumMember { module, qualname, value }) => (module, qualname, value).serialize(serializer),
            Content::Delta(TimeDelta { days, seconds, microseconds }) => {
                serializer.collect_seq([i64::from(*days), i64::from(*seconds), i64::from(*microseconds)])
            }
        }
    }
}

/// One level of the exact form as JSON, with its tag. [`from_value`](super::from_value) passes a [`Value`] inside another
/// type in this way: the visitor below removes the tag again.
pub(super) fn with_tag(value: Value) -> Value {
    let Some((tag, content, beside)) = tag::tagged(&value) else { return value };
    let beside = beside
        .fold
        .map(|_| ("fold", Value::Int(1)))
        .into_iter()
        .chain(beside.zone.map(|zone| ("zone", Value::from(zone))));
    let beside: Vec<_> = beside.map(|(key, value)| (Value::from(key), value)).collect();
    let content = match content {
        Content::Text(text) => Value::from(text),
        Content::Digits(number) => Value::from(number.to_string()),
        Content::Base64(text) => Value::Str(text),
        Content::Parts(parts) => Value::from(parts.map(Value::Float).to_vec()),
        Content::Number(number) => Value::from(number),
        Content::True => Value::Bool(true),
        Content::Delta(TimeDelta { days, seconds, microseconds }) => {
            Value::from(vec![i64::from(days), i64::from(seconds), i64::from(microseconds)])
        }
        // Moved rather than copied, or a value nested n deep would be copied n times.
        Content::Items(_) | Content::Pairs(_) | Content::Enum(_) => Value::List(match value {
            Value::Slice(parts) => Vec::from(*parts),
            Value::Enum(member) => vec![Value::Str(member.module), Value::Str(member.qualname), member.value],
            Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => items,
            Value::Dict(pairs) => pairs.into_iter().map(|(key, value)| Value::List(vec![key, value])).collect(),
            _ => Vec::new(),
        }),
    };
    let mut pairs = vec![(Value::from(tag), content)];
    pairs.extend(beside);
    Value::Dict(pairs)
}

impl Serialize for HandleRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::Handle(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_newtype_struct(tag::NEWTYPE, ExactVisitor)
    }
}

macro_rules! deserialize_as_variant {
    ($($kind:ty, $pattern:pat => $inner:expr, $wanted:literal;)*) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$kind, D::Error> {
                match Value::deserialize(deserializer)? {
                    $pattern => Ok($inner),
                    other => Err(de::Error::custom(format_args!(concat!("wanted ", $wanted, ", found {}"), other.type_name()))),
                }
            }
        }
    )*};
}

deserialize_as_variant! {
    DateTime, Value::DateTime(inner) => inner, "a datetime.datetime";
    Time, Value::Time(inner) => inner, "a datetime.time";
    TimeDelta, Value::TimeDelta(inner) => inner, "a datetime.timedelta";
    HandleRef, Value::Handle(inner) => inner, "a handle";
}

impl<'de> Deserialize<'de> for BigInt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BigInt, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Int(number) => Ok(BigInt::from(i128::from(number))),
            Value::BigInt(number) => Ok(number),
            other => Err(de::Error::custom(format_args!("wanted an int, found {}", other.type_name()))),
        }
    }
}

macro_rules! serialize_as_value {
    ($($kind:ty),*) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Value::from(self.clone()).serialize(serializer)
            }
        }
    )*};
}

serialize_as_value!(BigInt, DateTime, Time, TimeDelta);

struct ExactVisitor;

impl<'de> Visitor<'de> for ExactVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value in the exact form")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Str(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Str(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::with_capacity(items.size_hint().unwrap_or(0).min(4096));
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !key.starts_with('$') {
                pairs.push((Value::Str(key), entries.next_value()?));
                continue;
            }
            if !pairs.is_empty() {
                return Err(de::Error::custom(format_args!("the tag {key} stands beside other keys")));
            }
            let content = entries.next_value()?;
            let mut beside = Beside { fold: None, zone: None };
            while let Some(second) = entries.next_key::<String>()? {
                match second.as_str() {
                    "fold" if beside.fold.is_none() => beside.fold = Some(entries.next_value()?),
                    "zone" if beside.zone.is_none() => beside.zone = Some(entries.next_value()?),
                    _ => {
                        return Err(de::Error::custom(format_args!("the tag {key} stands beside the key `{second}`")));
                    }
                }
            }
            return tag::untag(&key, content, beside).map_err(de::Error::custom);
        }
        Ok(Value::Dict(pairs))
    }
}
