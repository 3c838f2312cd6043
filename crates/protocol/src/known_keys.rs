//! Structs that are read from objects alone, all of whose keys are known: an option that is misspelt would not hold, and nobody would
//! be told.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, IntoDeserializer, MapAccess, Visitor};

/// Reads a struct from a JSON object. Besides the struct's own keys, only those that `skipped` knows may be there.
pub fn from_json_object<'de, T: Deserialize<'de>>(json: &'de [u8], skipped: fn(&str) -> bool) -> serde_json::Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = T::deserialize(KnownKeys { of: &mut deserializer, skipped })?;
    deserializer.end()?;
    Ok(read)
}

/// Reads a struct from an object that has no keys but the struct's.
pub(crate) fn known_keys<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(KnownKeys { of: deserializer, skipped: |_| false })
}

/// A deserializer (or the entries of one's object) that knows the keys of the struct it fills.
struct KnownKeys<D> {
    of: D,
    skipped: fn(&str) -> bool,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for KnownKeys<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.of.deserialize_map(Object { keys, skipped: self.skipped, visitor })
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
struct Object<V> {
    keys: &'static [&'static str],
    skipped: fn(&str) -> bool,
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Entries { map, keys: self.keys, skipped: self.skipped })
    }
}

struct Entries<A> {
    map: A,
    keys: &'static [&'static str],
    skipped: fn(&str) -> bool,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<Cow<'de, str>>()? {
            if self.keys.contains(&&*key) {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            if !(self.skipped)(&key) {
                return Err(A::Error::custom(unknown_key(&key, self.keys)));
            }
            self.map.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
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
