//! Structs that are read from objects alone, all of whose keys are known: an option that is misspelt would not hold, and nobody would
//! be told.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, IntoDeserializer, MapAccess, Visitor};

/// Reads a struct from an object that has no keys but the struct's.
pub(crate) fn known_keys<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    known_keys_and(deserializer, |_| false)
}

/// Reads a struct from an object whose other keys are skipped, if they are among these.
pub(crate) fn known_keys_and<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    is_skipped: impl Fn(&str) -> bool + Copy,
) -> Result<T, D::Error> {
    T::deserialize(KnownKeys { of: deserializer, is_skipped })
}

/// A deserializer (or the entries of one's object) that knows the keys of the struct it fills.
struct KnownKeys<D, S> {
    of: D,
    is_skipped: S,
}

impl<'de, D: Deserializer<'de>, S: Fn(&str) -> bool + Copy> Deserializer<'de> for KnownKeys<D, S> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.of.deserialize_map(Object { keys, is_skipped: self.is_skipped, visitor })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.of.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// Takes an object; an array of the fields, which serde takes too, is none.
struct Object<V, S> {
    keys: &'static [&'static str],
    is_skipped: S,
    visitor: V,
}

impl<'de, V: Visitor<'de>, S: Fn(&str) -> bool + Copy> Visitor<'de> for Object<V, S> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Entries { map, keys: self.keys, is_skipped: self.is_skipped })
    }
}

struct Entries<A, S> {
    map: A,
    keys: &'static [&'static str],
    is_skipped: S,
}

impl<'de, A: MapAccess<'de>, S: Fn(&str) -> bool> MapAccess<'de> for Entries<A, S> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<Cow<'de, str>>()? {
            if self.keys.contains(&&*key) {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            if !(self.is_skipped)(&key) {
                return Err(A::Error::custom(unknown_key(&key, self.keys)));
            }
            self.map.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// Says that a key is unknown, and which one was meant.
fn unknown_key(key: &str, keys: &[&str]) -> String {
    let key: String = key.chars().take(64).collect();
    if let Some(meant) = nearest(&key, keys) {
        return format!("there is no key '{key}'; did you mean '{meant}'?");
    }
    let keys: Vec<_> = keys.iter().map(|key| format!("'{key}'")).collect();
    format!("there is no key '{key}'; the keys are {}", keys.join(", "))
}

/// The name that is most like the word, if any is like it: up to a third of its characters may differ, or it is how the name begins. Case
/// and underscores do not count.
pub fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['_', '-'], "");
    let word = plain(word);
    let begins = |name: &&&str| word.len() >= 3 && plain(name).starts_with(&word);
    let distance = |name: &&str| strsim::damerau_levenshtein(&word, &plain(name));
    let (distance, name) = names.iter().map(|name| (distance(name), *name)).min_by_key(|(distance, _)| *distance)?;
    let begun = || names.iter().find(begins).copied();
    (distance * 3 <= word.chars().count().max(3)).then_some(name).or_else(begun)
}

#[cfg(test)]
mod tests {
    use crate::{CallLimits, SessionOptions, from_json_object};

    fn refused(json: &str) -> String {
        SessionOptions::from_json(json.as_bytes()).expect_err("refused").to_string()
    }

    #[test]
    fn unknown_key_is_refused_with_the_one_that_was_meant() {
        for (wrong, meant) in
            [("enviroment", "environment"), ("idle_timeout_ms", "idleTimeoutMs"), ("Preload", "preload")]
        {
            let told = refused(&format!("{{\"{wrong}\": null}}"));
            assert!(told.contains(&format!("there is no key '{wrong}'; did you mean '{meant}'?")), "{told}");
        }
        let told = refused(r#"{"limits": {"memory_byte": 1}}"#);
        assert!(told.contains("did you mean 'memoryBytes'?"), "{told}");
        let told = refused(r#"{"limits": {"memory": 1}}"#);
        assert!(told.contains("did you mean 'memoryBytes'?"), "{told}");
        let told = refused(r#"{"colour": 1}"#);
        assert!(told.contains("the keys are 'environment', 'python'"), "{told}");
    }

    #[test]
    fn call_options_and_named_keys_may_stand_beside() {
        let json = br#"{"session": "s1", "sessionId": {"a": [1]}, "cpuMs": 5}"#;
        let read: CallLimits = from_json_object(json, &["sessionId"]).expect("read");
        assert_eq!(read, CallLimits { cpu_ms: Some(5), ..CallLimits::default() });
    }

    #[test]
    fn only_an_object_is_read() {
        for wrong in ["[]", "1", "null", "{} {}", "{"] {
            SessionOptions::from_json(wrong.as_bytes()).expect_err(wrong);
            from_json_object::<CallLimits>(wrong.as_bytes(), &[]).expect_err(wrong);
        }
    }
}
