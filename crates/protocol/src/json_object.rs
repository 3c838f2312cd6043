//! Requests as JSON objects, all of whose keys are known.

use serde::Deserialize;

use crate::CallOption;
use crate::known_keys::known_keys_and;

/// Reads a struct from a JSON object. Besides the struct's own keys, only those of call options and `also` may be there; they are
/// skipped.
pub fn from_json_object<'de, T: Deserialize<'de>>(
    json: &'de [u8],
    also: &'static [&'static str],
) -> serde_json::Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let is_skipped = |key: &str| also.contains(&key) || CallOption::from_key(key).is_some();
    let read = known_keys_and(&mut deserializer, is_skipped)?;
    deserializer.end()?;
    Ok(read)
}
