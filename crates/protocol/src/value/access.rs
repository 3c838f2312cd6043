//! Access to the parts of a value.

use super::kinds::Value;

impl Value {
    /// The name of the Python type: `int`, `datetime.date`, …
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::BigInt(_) => "int",
            Value::Float(_) => "float",
            Value::Complex(..) => "complex",
            Value::Str(_) | Value::SurrogateStr(_) => "str",
            Value::Bytes(_) => "bytes",
            Value::ByteArray(_) => "bytearray",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Set(_) => "set",
            Value::FrozenSet(_) => "frozenset",
            Value::Dict(_) => "dict",
            Value::Decimal(_) => "decimal.Decimal",
            Value::Date(_) => "datetime.date",
            Value::DateTime(_) => "datetime.datetime",
            Value::Time(_) => "datetime.time",
            Value::TimeDelta(_) => "datetime.timedelta",
            Value::Uuid(_) => "uuid.UUID",
            Value::Path(_) => "pathlib.Path",
            Value::Enum(_) => "enum.Enum",
            Value::Handle(_) => "handle",
            Value::Callback(_) => "callback",
            Value::StepResult(_) => "result of a step",
            Value::Slice(_) => "slice",
            Value::Ellipsis => "ellipsis",
        }
    }

    /// Whether it is `None`.
    pub fn is_none(&self) -> bool {
        matches!(self, Value::None)
    }

    /// The `bool`.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The `int`, if it fits 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The `float`, or the `int` as a float.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Float(number) => Some(*number),
            Value::Int(number) => Some(*number as f64),
            Value::BigInt(number) => number.digits().parse().ok(),
            Value::Enum(member) => member.value.as_f64(),
            _ => None,
        }
    }

    /// The `str`, unless it has lone surrogates.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes of a `bytes` or `bytearray`.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) | Value::ByteArray(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The items of a `list`, `tuple`, `set` or `frozenset`.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs of a `dict`.
    pub fn pairs(&self) -> Option<&[(Value, Value)]> {
        match self {
            Value::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value of a `dict` under this `str` key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.pairs()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }
}
