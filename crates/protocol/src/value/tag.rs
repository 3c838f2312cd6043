//! The tags of the exact form. The Python side implements the same table, which `PROTOCOL.md` shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::error::ValueError;
use super::kinds::{BigInt, DateTime, EnumMember, HandleRef, Time, TimeDelta, Value};
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
    Digits(i64),
    Base64(String),
    Items(&'a [Value]),
    Pairs(&'a [(Value, Value)]),
    Parts([f64; 2]),
    Delta(TimeDelta),
    Enum(&'a EnumMember),
    Number(u32),
    True,
}

/// What stands beside the tag of a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside<Zone> {
    /// `"fold": 1`.
    pub(super) fold: Option<u8>,
    /// `"zone": "Europe/Berlin"`.
    pub(super) zone: Option<Zone>,
}

impl<'a> Beside<&'a str> {
    fn of(fold: bool, zone: Option<&'a String>) -> Beside<&'a str> {
        Beside { fold: fold.then_some(1), zone: zone.map(String::as_str) }
    }
}

impl<Zone> Beside<Zone> {
    /// How many keys it has.
    pub(super) fn len(&self) -> usize {
        usize::from(self.fold.is_some()) + usize::from(self.zone.is_some())
    }
}

/// The largest int that every reader of JSON keeps: JavaScript has no others.
const SAFE_INT: u64 = (1 << 53) - 1;

/// The tag of a value, its content, and what stands beside it. `None`: no tag.
pub(super) fn tagged(value: &Value) -> Option<(&'static str, Content<'_>, Beside<&str>)> {
    let mut beside = Beside { fold: None, zone: None };
    let (tag, content) = match value {
        Value::Int(number) if number.unsigned_abs() > SAFE_INT => ("$int", Content::Digits(*number)),
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
        Value::DateTime(DateTime { iso, fold, zone }) => {
            beside = Beside::of(*fold, zone.as_ref());
            ("$datetime", Content::Text(iso))
        }
        Value::Time(Time { iso, fold, zone }) => {
            beside = Beside::of(*fold, zone.as_ref());
            ("$time", Content::Text(iso))
        }
        Value::TimeDelta(delta) => ("$timedelta", Content::Delta(*delta)),
        Value::Uuid(text) => ("$uuid", Content::Text(text)),
        Value::Path(text) => ("$path", Content::Text(text)),
        Value::Enum(member) => ("$enum", Content::Enum(member)),
        Value::Handle(HandleRef(id)) => ("$handle", Content::Text(id)),
        Value::Callback(name) => ("$callback", Content::Text(name)),
        Value::StepResult(step) => ("$result", Content::Number(*step)),
        Value::Slice(parts) => ("$slice", Content::Items(&parts[..])),
        Value::Ellipsis => ("$ellipsis", Content::True),
    };
    Some((tag, content, beside))
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

/// The float of a text: a number as JSON writes it, or one of the words.
fn float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        // Not the words and signs that Rust reads too.
        _ => text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)).then(|| text.parse().ok())?,
    }
}

/// Whether a dict can be written as a JSON object: every key is a string that does not look like a tag.
fn is_plain_object(pairs: &[(Value, Value)]) -> bool {
    pairs.iter().all(|(key, _)| matches!(key, Value::Str(key) if !key.starts_with('$')))
}

/// The value of a tagged object, whose `content` is read already.
pub(super) fn untag(tag: &str, content: Value, beside: Beside<String>) -> Result<Value, ValueError> {
    let wrong = |wanted: &str, found: &Value| {
        Err(ValueError::tag(tag, format!("it holds {wanted}, not a value of type {}", found.type_name())))
    };
    if beside.len() > 0 && !matches!(tag, "$datetime" | "$time") {
        return Err(ValueError::tag(tag, "`fold` and `zone` stand beside a datetime or a time only"));
    }
    if let Some(fold) = beside.fold.filter(|fold| *fold > 1) {
        return Err(ValueError::tag(tag, format!("`fold` cannot be {fold}")));
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
        "$result" => match &content {
            Value::Int(step) if u32::try_from(*step).is_ok() => Ok(Value::StepResult(*step as u32)),
            other => wrong("the number of a step", other),
        },
        "$slice" => match content {
            Value::List(parts) => match <[Value; 3]>::try_from(parts) {
                Ok(parts) => Ok(Value::Slice(Box::new(parts))),
                Err(parts) => wrong("[start, stop, step]", &Value::List(parts)),
            },
            other => wrong("[start, stop, step]", &other),
        },
        "$ellipsis" => match &content {
            Value::Bool(true) => Ok(Value::Ellipsis),
            other => wrong("true", other),
        },
        "$enum" => match enum_member(content) {
            Some(member) => Ok(Value::Enum(Box::new(member))),
            None => Err(ValueError::tag(tag, "it holds [module, qualname, value]")),
        },
        "$float" => match &content {
            Value::Str(text) => match float(text) {
                Some(number) => Ok(Value::Float(number)),
                None => Err(ValueError::tag(tag, "it is a number, NaN, Infinity or -Infinity")),
            },
            // JavaScript writes 1.0 as `1`.
            other => match other.as_f64() {
                Some(number) => Ok(Value::Float(number)),
                None => wrong("a number", other),
            },
        },
        "$int" | "$str" | "$bytes" | "$bytearray" | "$decimal" | "$date" | "$datetime" | "$time" | "$uuid"
        | "$path" | "$handle" | "$callback" => match content {
            Value::Str(text) => untag_text(tag, text, beside),
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

fn enum_member(content: Value) -> Option<EnumMember> {
    let Value::List(parts) = content else { return None };
    match <[Value; 3]>::try_from(parts) {
        Ok([Value::Str(module), Value::Str(qualname), value]) => Some(EnumMember { module, qualname, value }),
        _ => None,
    }
}

fn untag_text(tag: &str, text: String, beside: Beside<String>) -> Result<Value, ValueError> {
    let base64 = |text: &str| BASE64.decode(text).map_err(|error| ValueError::tag(tag, error.to_string()));
    let matches = |shape: fn(&[u8]) -> bool, name: &str| match shape(text.as_bytes()) {
        true => Ok(()),
        false => Err(ValueError::tag(tag, format!("`{}` is no {name}", text.chars().take(40).collect::<String>()))),
    };
    Ok(match tag {
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
            Value::DateTime(DateTime { iso: text, fold: beside.fold == Some(1), zone: beside.zone })
        }
        "$time" => {
            matches(is_time, "time")?;
            Value::Time(Time { iso: text, fold: beside.fold == Some(1), zone: beside.zone })
        }
        "$uuid" => {
            matches(is_uuid, "UUID")?;
            Value::Uuid(text)
        }
        "$path" => Value::Path(text),
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

fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_time(text: &[u8]) -> bool {
    let clock = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'+' | b'-' | b'Z');
    matches!(text, [a, b, b':', c, d, rest @ ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) && rest.iter().all(clock))
}

fn is_datetime(text: &[u8]) -> bool {
    text.len() > 11 && is_date(&text[..10]) && text[10] == b'T' && is_time(&text[11..])
}
