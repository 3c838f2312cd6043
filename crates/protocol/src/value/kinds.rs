//! The kinds of Python values.

use super::error::ValueError;
use super::text::SurrogateStr;

/// A Python value in the exact form, which preserves the value and its type.
///
/// Comparison is by structure: `Int(1)` and `Float(1.0)` differ, sets are compared in the order in which they came, and
/// NaN equals nothing. `Display` writes what Python's `repr` would.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `None`.
    #[default]
    None,
    /// A `bool`.
    Bool(bool),
    /// An `int` within 64 bits.
    Int(i64),
    /// A larger `int`.
    BigInt(BigInt),
    /// A `float`, which includes NaN and the infinities.
    Float(f64),
    /// A `complex`: real and imaginary part.
    Complex(f64, f64),
    /// A `str`.
    Str(String),
    /// A `str` with lone surrogates.
    SurrogateStr(SurrogateStr),
    /// A `bytes`.
    Bytes(Vec<u8>),
    /// A `bytearray`.
    ByteArray(Vec<u8>),
    /// A `list`.
    List(Vec<Value>),
    /// A `tuple`.
    Tuple(Vec<Value>),
    /// A `set`.
    Set(Vec<Value>),
    /// A `frozenset`.
    FrozenSet(Vec<Value>),
    /// A `dict`, in its order.
    Dict(Vec<(Value, Value)>),
    /// A `decimal.Decimal`, as `str` writes it.
    Decimal(String),
    /// A `datetime.date`: `2026-11-21`.
    Date(String),
    /// A `datetime.datetime`.
    DateTime(DateTime),
    /// A `datetime.time`.
    Time(Time),
    /// A `datetime.timedelta`.
    TimeDelta(TimeDelta),
    /// A `uuid.UUID`: `12345678-1234-5678-1234-567812345678`.
    Uuid(String),
    /// A `pathlib.Path`.
    Path(String),
    /// A member of an `enum.Enum`.
    Enum(Box<EnumMember>),
    /// An object that the session keeps. Only arguments contain handles, never results.
    Handle(HandleRef),
    /// A callback of the client, by name. Only arguments contain callbacks.
    Callback(String),
    /// The result of an earlier step of a batch. Only steps of a batch contain these.
    StepResult(u32),
    /// A `slice`: start, stop and step. Only keys contain slices.
    Slice(Box<[Value; 3]>),
    /// `...`. Only keys contain it.
    Ellipsis,
}

/// An `int` of any size, in decimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BigInt(String);

impl BigInt {
    /// Reads digits with an optional sign; leading zeros are dropped.
    ///
    /// # Errors
    /// [`ValueError::Integer`] when the text has anything but digits.
    pub fn parse(digits: &str) -> Result<BigInt, ValueError> {
        let (sign, number) = match digits.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", digits.strip_prefix('+').unwrap_or(digits)),
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ValueError::Integer { digits: digits.chars().take(40).collect() });
        }
        match number.trim_start_matches('0') {
            "" => Ok(BigInt("0".to_owned())),
            significant => Ok(BigInt(format!("{sign}{significant}"))),
        }
    }

    /// The digits, with `-` before them for a negative number.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl From<u128> for BigInt {
    fn from(number: u128) -> BigInt {
        BigInt(number.to_string())
    }
}

impl From<i128> for BigInt {
    fn from(number: i128) -> BigInt {
        BigInt(number.to_string())
    }
}

impl std::fmt::Display for BigInt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A `datetime.datetime` as its `isoformat` writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// `2026-11-21T09:30:00.000001+01:00`; without fraction or offset if it has none. From pandas and numpy the fraction can
    /// have nine digits and more.
    pub iso: String,
    /// Whether it is the second of two equal wall-clock times (`fold=1`).
    pub fold: bool,
    /// The name of its zone, if it has more than an offset: `Europe/Berlin`.
    pub zone: Option<String>,
}

/// A `datetime.time` as its `isoformat` writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Time {
    /// `09:30:00.000001+01:00`; without fraction or offset if it has none.
    pub iso: String,
    /// Whether it is the second of two equal wall-clock times (`fold=1`).
    pub fold: bool,
    /// The name of its zone, if it has more than an offset: `Europe/Berlin`.
    pub zone: Option<String>,
}

/// A member of an `enum.Enum`. As an argument it needs its class to be imported already.
#[derive(Clone, Debug, PartialEq)]
pub struct EnumMember {
    /// The module of its class: `http`.
    pub module: String,
    /// The class in that module: `HTTPStatus`.
    pub qualname: String,
    /// The member's value: `404`.
    pub value: Value,
}

/// A `datetime.timedelta`, normalised as Python keeps it: only `days` can be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeDelta {
    /// From -999999999 to 999999999.
    pub days: i32,
    /// From 0 to 86399.
    pub seconds: u32,
    /// From 0 to 999999.
    pub microseconds: u32,
}

impl TimeDelta {
    /// The length as a `Duration`; `None` when it is negative.
    pub fn to_duration(self) -> Option<std::time::Duration> {
        let days = u64::try_from(self.days).ok()?;
        Some(std::time::Duration::new(days * 86_400 + u64::from(self.seconds), self.microseconds * 1000))
    }
}

/// The handle of an object in a session; as an argument it stands for the object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandleRef(pub String);
