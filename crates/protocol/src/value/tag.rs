//! The tags of the exact form. The Python side implements the same table, which `PROTOCOL.md` shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::error::ValueError;
use super::kinds::{BigInt, DateTime, HandleRef, Time, TimeDelta, Value};
use super::text::{self, Decoded};

/// The name that a [`Value`] gives itself in serde. JSON ignores it; [`to_value`] and [`from_value`] recognise it, so that a
/// `Value` inside a Rust type stays as it is.
///
/// [`to_value`]: super::to_value
/// [`from_value`]: super::from_value
pub(super) const NEWTYPE: &str = "$beep::Value";

/// The content of a tagged object.
pub(super) enum Content<'a> {
    Text(&'a str),
    Base64(String),
    Items(&'a [Value]),
    Pairs(&'a [(Value, Value)]),
    Parts([f64; 2]),
    Delta(TimeDelta),
}

/// The tag of a value, its content, and whether `"fold": 1` follows. `None`: no tag.
pub(super) fn tagged(value: &Value) -> Option<(&'static str, Content<'_>, bool)> {
    let (tag, content) = match value {
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Str(_) | Value::List(_) => return None,
        Value::Float(number) => ("$float", Content::Text(non_finite(*number)?)),
        Value::Dict(pairs) if is_plain_object(pairs) => return None,
        Value::Dict(pairs) => ("$dict", Content::Pairs(pairs)),
        Value::BigInt(number) => ("$int", Content::Text(number.digits())),
        Value::Complex(real, imaginary) => ("$complex", Content::Parts([*real, *imaginary])),
        Value::SurrogateStr(text) => ("$str", Content::Base64(BASE64.encode(text.as_bytes()))),
        Value::Bytes(bytes) => ("$bytes", Content::Base64(BASE64.encode(bytes))),
        Value::ByteArray(bytes) => ("$bytearray", Content::Base64(BASE64.encode(bytes))),
        Value::Tuple(items) => ("$tuple", Content::Items(items)),
        Value::Set(items) => ("$set", Content::Items(items)),
        Value::FrozenSet(items) => ("$frozenset", Content::Items(items)),
        Value::Decimal(text) => ("$decimal", Content::Text(text)),
        Value::Date(iso) => ("$date", Content::Text(iso)),
        Value::DateTime(DateTime { iso, fold }) => return Some(("$datetime", Content::Text(iso), *fold)),
        Value::Time(Time { iso, fold }) => return Some(("$time", Content::Text(iso), *fold)),
        Value::TimeDelta(delta) => ("$timedelta", Content::Delta(*delta)),
        Value::Handle(HandleRef(id)) => ("$handle", Content::Text(id)),
        Value::Callback(name) => ("$callback", Content::Text(name)),
    };
    Some((tag, content, false))
}

/// The word for a float that JSON cannot express.
pub(super) fn non_finite(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// Whether a dict can be written as a JSON object: every key is a string that does not look like a tag.
fn is_plain_object(pairs: &[(Value, Value)]) -> bool {
    pairs.iter().all(|(key, _)| matches!(key, Value::Str(key) if !key.starts_with('$')))
}

/// The value of a tagged object, whose `content` is read already.
pub(super) fn untag(tag: &str, content: Value, fold: Option<u8>) -> Result<Value, ValueError> {
    let wrong = |wanted: &str, found: &Value| {
        Err(ValueError::tag(tag, format!("it holds {wanted}, not a value of type {}", found.type_name())))
    };
    if let Some(fold) = fold
        && (fold > 1 || !matches!(tag, "$datetime" | "$time"))
    {
        return Err(ValueError::tag(tag, format!("`fold` cannot be {fold} here")));
    }
    match tag {
        "$tuple" | "$set" | "$frozenset" => match (tag, content) {
            ("$tuple", Value::List(items)) => Ok(Value::Tuple(items)),
            ("$set", Value::List(items)) => Ok(Value::Set(items)),
            (_, Value::List(items)) => Ok(Value::FrozenSet(items)),
            (_, other) => wrong("an array", &other),
        },
        "$dict" => {
            let Value::List(pairs) = content else { return wrong("an array of pairs", &content) };
            pairs.into_iter().map(|pair| untag_pair(tag, pair)).collect::<Result<_, _>>().map(Value::Dict)
        }
        "$complex" => match &content {
            Value::List(parts) => match parts.as_slice() {
                [real, imaginary] => match (real.as_f64(), imaginary.as_f64()) {
                    (Some(real), Some(imaginary)) => Ok(Value::Complex(real, imaginary)),
                    _ => wrong("two numbers", &content),
                },
                _ => wrong("two numbers", &content),
            },
            other => wrong("two numbers", other),
        },
        "$timedelta" => match time_delta(&content) {
            Some(delta) => Ok(Value::TimeDelta(delta)),
            None => wrong("[days, seconds, microseconds], normalised", &content),
        },
        "$float" | "$int" | "$str" | "$bytes" | "$bytearray" | "$decimal" | "$date" | "$datetime" | "$time"
        | "$handle" | "$callback" => match content {
            Value::Str(text) => untag_text(tag, text, fold == Some(1)),
            other => wrong("a string", &other),
        },
        _ => Err(ValueError::tag(tag, "there is no such tag; keys that start with `$` belong in `$dict`")),
    }
}

fn untag_pair(tag: &str, pair: Value) -> Result<(Value, Value), ValueError> {
    if let Value::List(pair) = pair
        && let Ok([key, value]) = <[Value; 2]>::try_from(pair)
    {
        return Ok((key, value));
    }
    Err(ValueError::tag(tag, "each item is an array of a key and a value"))
}

fn untag_text(tag: &str, text: String, fold: bool) -> Result<Value, ValueError> {
    let base64 = |text: &str| BASE64.decode(text).map_err(|error| ValueError::tag(tag, error.to_string()));
    let matches = |shape: fn(&[u8]) -> bool, name: &str| match shape(text.as_bytes()) {
        true => Ok(()),
        false => Err(ValueError::tag(tag, format!("`{}` is no {name}", text.chars().take(40).collect::<String>()))),
    };
    Ok(match tag {
        "$float" => match text.as_str() {
            "NaN" => Value::Float(f64::NAN),
            "Infinity" => Value::Float(f64::INFINITY),
            "-Infinity" => Value::Float(f64::NEG_INFINITY),
            _ => return Err(ValueError::tag(tag, "it is NaN, Infinity or -Infinity")),
        },
        "$int" => Value::from(BigInt::parse(&text).map_err(|error| ValueError::tag(tag, error.to_string()))?),
        "$str" => match text::decode(base64(&text)?).map_err(|error| ValueError::tag(tag, error.to_string()))? {
            Decoded::Str(text) => Value::Str(text),
            Decoded::Surrogates(text) => Value::SurrogateStr(text),
        },
        "$bytes" => Value::Bytes(base64(&text)?),
        "$bytearray" => Value::ByteArray(base64(&text)?),
        "$decimal" => {
            matches(is_decimal, "decimal number")?;
            Value::Decimal(text)
        }
        "$date" => {
            matches(is_date, "date")?;
            Value::Date(text)
        }
        "$datetime" => {
            matches(is_datetime, "date and time")?;
            Value::DateTime(DateTime { iso: text, fold })
        }
        "$time" => {
            matches(is_time, "time")?;
            Value::Time(Time { iso: text, fold })
        }
        "$callback" => Value::Callback(text),
        _ => Value::Handle(HandleRef(text)),
    })
}

fn time_delta(content: &Value) -> Option<TimeDelta> {
    let Value::List(parts) = content else { return None };
    let [Value::Int(days), Value::Int(seconds), Value::Int(microseconds)] = parts.as_slice() else { return None };
    let days = i32::try_from(*days).ok().filter(|days| days.unsigned_abs() <= 999_999_999)?;
    let seconds = u32::try_from(*seconds).ok().filter(|seconds| *seconds < 86_400)?;
    let microseconds = u32::try_from(*microseconds).ok().filter(|microseconds| *microseconds < 1_000_000)?;
    Some(TimeDelta { days, seconds, microseconds })
}

// The patterns below reject other text. Whether the 31st of February exists is left to Python.

fn is_decimal(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn is_date(text: &[u8]) -> bool {
    text.len() == 10
        && text
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() })
}

fn is_time(text: &[u8]) -> bool {
    let clock = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'+' | b'-');
    matches!(text, [a, b, b':', c, d, rest @ ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) && rest.iter().all(clock))
}

fn is_datetime(text: &[u8]) -> bool {
    text.len() > 11 && is_date(&text[..10]) && text[10] == b'T' && is_time(&text[11..])
}
