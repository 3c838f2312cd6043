//! A value as Python's `repr` writes it.

use std::fmt::{self, Display, Formatter, Write as _};

use super::kinds::{DateTime, HandleRef, Time, TimeDelta, Value};
use super::text::Part;

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::None => f.write_str("None"),
            Value::Bool(true) => f.write_str("True"),
            Value::Bool(false) => f.write_str("False"),
            Value::Int(number) => write!(f, "{number}"),
            Value::BigInt(number) => write!(f, "{number}"),
            Value::Float(number) => f.write_str(&float(*number)),
            Value::Complex(real, imaginary) => complex(f, *real, *imaginary),
            Value::Str(text) => quoted(f, text),
            Value::SurrogateStr(text) => {
                let mut result = f.write_char('\'');
                text.parts(|part| {
                    result = result.and_then(|()| match part {
                        Part::Text(text) => text.chars().try_for_each(|letter| escaped(f, letter, '\'')),
                        Part::Surrogate(surrogate) => write!(f, "\\u{surrogate:04x}"),
                    });
                });
                result.and_then(|()| f.write_char('\''))
            }
            Value::Bytes(bytes) => byte_string(f, bytes),
            Value::ByteArray(bytes) => {
                f.write_str("bytearray(")?;
                byte_string(f, bytes)?;
                f.write_char(')')
            }
            Value::List(items) => sequence(f, "[", items, "]"),
            Value::Tuple(items) => sequence(f, "(", items, if items.len() == 1 { ",)" } else { ")" }),
            Value::Set(items) if items.is_empty() => f.write_str("set()"),
            Value::Set(items) => sequence(f, "{", items, "}"),
            Value::FrozenSet(items) if items.is_empty() => f.write_str("frozenset()"),
            Value::FrozenSet(items) => sequence(f, "frozenset({", items, "})"),
            Value::Dict(pairs) => {
                f.write_char('{')?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if at == 0 { "" } else { ", " })?;
                }
                f.write_char('}')
            }
            Value::Decimal(text) => write!(f, "Decimal('{text}')"),
            Value::Date(iso) => write!(f, "datetime.date({iso})"),
            Value::DateTime(DateTime { iso, fold, zone }) => moment(f, "datetime", iso, *fold, zone.as_deref()),
            Value::Time(Time { iso, fold, zone }) => moment(f, "time", iso, *fold, zone.as_deref()),
            Value::Uuid(text) => write!(f, "UUID('{text}')"),
            Value::Path(text) => {
                f.write_str("PosixPath(")?;
                quoted(f, text)?;
                f.write_char(')')
            }
            Value::Enum(member) => write!(f, "<{}: {}>", member.qualname, member.value),
            Value::TimeDelta(TimeDelta { days, seconds, microseconds }) => {
                write!(f, "datetime.timedelta(days={days}, seconds={seconds}, microseconds={microseconds})")
            }
            Value::Callback(name) => write!(f, "<callback {name}>"),
            Value::Handle(HandleRef(id)) => write!(f, "<handle {id}>"),
            Value::StepResult(step) => write!(f, "<result of step {step}>"),
            Value::Slice(parts) => {
                let [start, stop, step] = &**parts;
                write!(f, "slice({start}, {stop}, {step})")
            }
            Value::Ellipsis => f.write_str("Ellipsis"),
        }
    }
}

/// Dates are written with their ISO text, which reads better than Python's list of numbers.
fn moment(f: &mut Formatter<'_>, kind: &str, iso: &str, fold: bool, zone: Option<&str>) -> fmt::Result {
    write!(f, "datetime.{kind}({iso}{}", if fold { ", fold=1" } else { "" })?;
    zone.map_or(Ok(()), |zone| write!(f, ", {zone}"))?;
    f.write_char(')')
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    let text = format!("{number:?}");
    // Rust writes 1e16 and 1.5e-7 where Python writes 1e+16 and 1.5e-07.
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

fn complex(f: &mut Formatter<'_>, real: f64, imaginary: f64) -> fmt::Result {
    let part = |number: f64| {
        let text = float(number);
        text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
    };
    let imaginary = part(imaginary);
    if real == 0.0 && real.is_sign_positive() {
        return write!(f, "{imaginary}j");
    }
    let plus = if imaginary.starts_with('-') { "" } else { "+" };
    write!(f, "({}{plus}{imaginary}j)", part(real))
}

fn sequence(f: &mut Formatter<'_>, open: &str, items: &[Value], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (at, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
    }
    f.write_str(close)
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    f.write_char(quote)?;
    text.chars().try_for_each(|letter| escaped(f, letter, quote))?;
    f.write_char(quote)
}

fn escaped(f: &mut Formatter<'_>, letter: char, quote: char) -> fmt::Result {
    match letter {
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\\' => f.write_str("\\\\"),
        _ if letter == quote => write!(f, "\\{letter}"),
        // Everything but the plain space that is a control or a separator, as far as Rust knows them.
        _ if letter != ' ' && (letter.is_control() || letter.is_whitespace()) => match letter as u32 {
            code @ ..=0xff => write!(f, "\\x{code:02x}"),
            code => write!(f, "\\u{code:04x}"),
        },
        _ => f.write_char(letter),
    }
}

fn byte_string(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    write!(f, "b{quote}")?;
    for byte in bytes {
        match *byte {
            b' '..=b'~' => escaped(f, char::from(*byte), quote)?,
            b'\n' | b'\r' | b'\t' => escaped(f, char::from(*byte), quote)?,
            byte => write!(f, "\\x{byte:02x}")?,
        }
    }
    f.write_char(quote)
}
