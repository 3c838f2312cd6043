//! How the value of a call option is read and written: in JSON, and as the text of a header.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::known_keys::known_keys;
use crate::{CallLimits, Capabilities, ValueForm};

/// Where the text of an option stands, for the message of an error: `the header X-Beep-Grace-Ms`.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Header(&'static str),
    Metadata(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Place::Header(name) => name,
            Place::Metadata(name) => return write!(f, "the metadata {name}"),
        };
        f.write_str("the header ")?;
        for (index, word) in name.split('-').enumerate() {
            let (first, rest) = word.split_at(1);
            write!(f, "{}{}{rest}", if index == 0 { "" } else { "-" }, first.to_ascii_uppercase())?;
        }
        Ok(())
    }
}

/// A type of option. `from_text` fails with a sentence that names the place where the text stood.
pub(crate) trait OptionValue: Sized {
    fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
    fn to_json<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    fn from_text(text: &str, place: Place) -> Result<Self, String>;
    fn to_text(&self) -> Cow<'_, str>;
}

impl OptionValue for Arc<str> {
    fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Arc<str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Arc<str>, E> {
                Ok(text.into())
            }
        }

        deserializer.deserialize_str(Text)
    }

    fn to_json<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }

    fn from_text(text: &str, _: Place) -> Result<Arc<str>, String> {
        Ok(text.into())
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

/// Whole milliseconds.
impl OptionValue for Duration {
    fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        struct Milliseconds;

        impl Visitor<'_> for Milliseconds {
            type Value = u64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("whole milliseconds")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<u64, E> {
                Ok(number)
            }

            /// What a language writes whose numbers are floats: `1500.0`.
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<u64, E> {
                match number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number) {
                    true => Ok(number as u64),
                    false => Err(E::invalid_value(serde::de::Unexpected::Float(number), &self)),
                }
            }
        }

        deserializer.deserialize_u64(Milliseconds).map(Duration::from_millis)
    }

    fn to_json<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(milliseconds(*self))
    }

    fn from_text(text: &str, place: Place) -> Result<Duration, String> {
        let wrong = |_| format!("{place} must be whole milliseconds, not '{text}'");
        text.trim().parse().map(Duration::from_millis).map_err(wrong)
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(milliseconds(*self).to_string())
    }
}

impl OptionValue for bool {
    fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        bool::deserialize(deserializer)
    }

    fn to_json<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self)
    }

    fn from_text(text: &str, place: Place) -> Result<bool, String> {
        text.trim().parse().map_err(|_| format!("{place} must be true or false"))
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(if *self { "true" } else { "false" })
    }
}

impl OptionValue for Arc<CallLimits> {
    fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<CallLimits>, D::Error> {
        known_keys(deserializer).map(Arc::new)
    }

    fn to_json<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().serialize(serializer)
    }

    fn from_text(text: &str, _: Place) -> Result<Arc<CallLimits>, String> {
        known_keys(&mut serde_json::Deserializer::from_str(text))
            .map(Arc::new)
            .map_err(|error| format!("the limits of a call must be a JSON object such as {{\"cpuMs\":500}}: {error}"))
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(serde_json::to_string(self.as_ref()).unwrap_or_default()) // numbers: it cannot fail
    }
}

impl OptionValue for ValueForm {
    fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ValueForm, D::Error> {
        struct Word;

        impl Visitor<'_> for Word {
            type Value = ValueForm;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("'plain' or 'exact'")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<ValueForm, E> {
                form(word).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Word)
    }

    fn to_json<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }

    fn from_text(text: &str, _: Place) -> Result<ValueForm, String> {
        form(text)
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }
}

/// A list of words: an array in JSON, separated by commas in a text.
impl OptionValue for Capabilities {
    fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Capabilities, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        capabilities(words.iter().map(String::as_str)).map_err(serde::de::Error::custom)
    }

    fn to_json<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words())
    }

    fn from_text(text: &str, _: Place) -> Result<Capabilities, String> {
        capabilities(text.split(',').map(str::trim).filter(|word| !word.is_empty()))
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(self.words().join(","))
    }
}

fn form(word: &str) -> Result<ValueForm, String> {
    ValueForm::parse(word).ok_or_else(|| format!("values must be 'plain' or 'exact', not '{}'", shortened(word)))
}

fn capabilities<'a>(words: impl Iterator<Item = &'a str>) -> Result<Capabilities, String> {
    Capabilities::parse(words).map_err(|word| {
        format!("capabilities are 'stdin', 'callbacks', 'log', 'progress' and 'rawOutput', not '{}'", shortened(word))
    })
}

fn shortened(word: &str) -> String {
    word.chars().take(64).collect()
}

/// Reads a value, or `null`.
pub(crate) struct JsonSeed<T>(PhantomData<T>);

impl<T> Default for JsonSeed<T> {
    fn default() -> JsonSeed<T> {
        JsonSeed(PhantomData)
    }
}

impl<'de, T: OptionValue> DeserializeSeed<'de> for JsonSeed<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, T: OptionValue> Visitor<'de> for JsonSeed<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        T::from_json(deserializer).map(Some)
    }
}

/// Writes a value.
pub(crate) struct Json<'a, T>(pub(crate) &'a T);

impl<T: OptionValue> Serialize for Json<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.to_json(serializer)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The text of `grpc-timeout`: at most eight digits, and a unit.
pub(crate) fn format_grpc_timeout(timeout: Duration) -> String {
    match timeout.as_millis() {
        milliseconds @ 0..100_000_000 => format!("{milliseconds}m"),
        _ => format!("{}S", timeout.as_secs().min(99_999_999)),
    }
}

/// Reads the text of `grpc-timeout`.
pub(crate) fn parse_grpc_timeout(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = match number.len() {
        1..=8 if number.bytes().all(|digit| digit.is_ascii_digit()) => number.parse().ok()?,
        _ => return None,
    };
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_are_read() {
        assert_eq!(parse_grpc_timeout("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(parse_grpc_timeout("99999999M"), Some(Duration::from_secs(99_999_999 * 60)));
        assert_eq!(parse_grpc_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_grpc_timeout("7u"), Some(Duration::from_micros(7)));
        assert_eq!(parse_grpc_timeout("7n"), Some(Duration::from_nanos(7)));
        for wrong in ["", "S", "5", "5s", "-5S", "1.5S", "123456789S", "5 S", "5\u{e4}"] {
            assert_eq!(parse_grpc_timeout(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn grpc_timeouts_have_at_most_eight_digits() {
        assert_eq!(format_grpc_timeout(Duration::from_millis(99_999_999)), "99999999m");
        assert_eq!(format_grpc_timeout(Duration::from_millis(100_000_000)), "100000S");
        assert_eq!(format_grpc_timeout(Duration::MAX), "99999999S");
    }
}
