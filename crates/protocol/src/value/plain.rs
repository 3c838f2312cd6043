//! A value as plain JSON, for readers that do not know tags.

use base64::Engine as _;
use serde_json::{Map, Number, json};

use super::kinds::{HandleRef, Value};
use super::tag;

impl Value {
    /// The value as plain JSON, for people and for programs that do not know tags. Sets and tuples become arrays; bytes
    /// become base64; integers beyond 64 bits, decimals, dates, NaN and the infinities become strings; other keys than
    /// strings become their `repr`.
    pub fn to_plain(&self) -> serde_json::Value {
        match self {
            Value::None => serde_json::Value::Null,
            Value::Bool(truth) => json!(truth),
            Value::Int(number) => json!(number),
            Value::BigInt(number) => json!(number.digits()),
            Value::Float(number) => float(*number),
            Value::Complex(real, imaginary) => json!([float(*real), float(*imaginary)]),
            Value::Str(text) | Value::Decimal(text) | Value::Date(text) | Value::Uuid(text) | Value::Path(text) => {
                json!(text)
            }
            Value::SurrogateStr(text) => json!(text.to_string_lossy()),
            Value::Bytes(bytes) | Value::ByteArray(bytes) => {
                json!(base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
                items.iter().map(Value::to_plain).collect()
            }
            Value::Dict(pairs) => {
                let key = |key: &Value| key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                let entries: Map<_, _> = pairs.iter().map(|(name, value)| (key(name), value.to_plain())).collect();
                serde_json::Value::Object(entries)
            }
            Value::DateTime(moment) => json!(moment.iso),
            Value::Time(time) => json!(time.iso),
            Value::TimeDelta(delta) => json!([delta.days, delta.seconds, delta.microseconds]),
            Value::Enum(member) => member.value.to_plain(),
            Value::Handle(HandleRef(id)) => json!({ "$handle": id }),
            Value::Callback(name) => json!({ "$callback": name }),
            Value::StepResult(step) => json!({ "$result": step }),
            Value::Slice(parts) => json!({ "$slice": parts.iter().map(Value::to_plain).collect::<Vec<_>>() }),
            Value::Ellipsis => json!({ "$ellipsis": true }),
        }
    }
}

fn float(number: f64) -> serde_json::Value {
    match (Number::from_f64(number), tag::non_finite(number)) {
        (Some(number), _) => serde_json::Value::Number(number),
        (None, word) => json!(word),
    }
}
