//! Conversions of Rust values that cannot fail. [`to_value`](super::to_value) converts all others.

use super::error::ValueError;
use super::kinds::{BigInt, DateTime, HandleRef, Time, TimeDelta, Value};
use super::text::SurrogateStr;

impl Value {
    /// A `bytes`. (A `Vec<u8>` as such is a list of numbers, to serde too.)
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Value {
        Value::Bytes(bytes.into())
    }

    /// An `int` in decimal digits: [`Value::Int`] where it fits.
    ///
    /// # Errors
    /// [`ValueError::Integer`] when the text has anything but digits.
    pub fn integer(digits: &str) -> Result<Value, ValueError> {
        match digits.parse() {
            Ok(number) => Ok(Value::Int(number)),
            Err(_) => BigInt::parse(digits).map(Value::from),
        }
    }
}

macro_rules! small_integers {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Value {
            fn from(number: $kind) -> Value {
                Value::Int(i64::from(number))
            }
        }
    )*};
}

macro_rules! large_integers {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Value {
            fn from(number: $kind) -> Value {
                match i64::try_from(number) {
                    Ok(number) => Value::Int(number),
                    Err(_) => Value::BigInt(BigInt::from(number as i128)),
                }
            }
        }
    )*};
}

macro_rules! variants {
    ($($kind:ty => $variant:ident),*) => {$(
        impl From<$kind> for Value {
            fn from(inner: $kind) -> Value {
                Value::$variant(inner)
            }
        }
    )*};
}

small_integers!(i8, i16, i32, i64, u8, u16, u32);
large_integers!(isize, u64, usize, i128);
variants!(
    bool => Bool, f64 => Float, String => Str, SurrogateStr => SurrogateStr, DateTime => DateTime, Time => Time,
    TimeDelta => TimeDelta, HandleRef => Handle
);

impl From<u128> for Value {
    fn from(number: u128) -> Value {
        i64::try_from(number).map_or_else(|_| Value::BigInt(BigInt::from(number)), Value::Int)
    }
}

impl From<BigInt> for Value {
    fn from(number: BigInt) -> Value {
        match number.digits().parse() {
            Ok(small) => Value::Int(small),
            Err(_) => Value::BigInt(number),
        }
    }
}

impl From<f32> for Value {
    fn from(number: f32) -> Value {
        Value::Float(f64::from(number))
    }
}

impl From<()> for Value {
    fn from((): ()) -> Value {
        Value::None
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Str(text.to_owned())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::None, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Value {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

impl<K: Into<Value>, V: Into<Value>> FromIterator<(K, V)> for Value {
    /// A `dict` of the pairs.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Value {
        Value::Dict(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
