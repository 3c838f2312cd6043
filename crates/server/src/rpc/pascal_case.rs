//! JSON objects whose keys are in PascalCase, as the existing RPC clients send and expect them.

use std::collections::BTreeMap;
use std::fmt;

use beep_python_protocol::{ErrorCode, Problem};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Turns the keys of a request into those of the session core; keys that are not in PascalCase mean nothing and go.
pub(super) fn camel_case(body: &[u8]) -> Result<Bytes, Problem> {
    rename_keys(body, false)
}

/// As [`camel_case`], for operations of the host, which refuse keys that they do not know: none may go unread.
pub(super) fn camel_case_of_all(body: &[u8]) -> Result<Bytes, Problem> {
    rename_keys(body, true)
}

fn rename_keys(body: &[u8], keep_others: bool) -> Result<Bytes, Problem> {
    let Entries(entries) = serde_json::from_slice(body).map_err(|error| {
        Problem::new(ErrorCode::InvalidRequest, format!("the body must be a JSON object in UTF-8: {error}"))
    })?;
    let mut keys = BTreeMap::new();
    for (mut key, value) in entries {
        match key.starts_with(|first: char| first.is_ascii_uppercase()) {
            true => key[..1].make_ascii_lowercase(),
            false if keep_others => {}
            false => continue,
        }
        if keys.contains_key(&key) {
            return Err(Problem::new(ErrorCode::InvalidRequest, format!("'{key}' stands in the body twice")));
        }
        keys.insert(key, value);
    }
    Ok(serde_json::to_vec(&keys).unwrap_or_default().into())
}

/// The entries of an object, in their order.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<'de>, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// An object with its keys in PascalCase, without its closing brace.
pub(super) fn open_pascal_object(object: &[u8]) -> Result<Vec<u8>, Problem> {
    let keys: BTreeMap<&str, &RawValue> = serde_json::from_slice(object)
        .map_err(|error| Problem::new(ErrorCode::Internal, format!("the worker's answer cannot be read: {error}")))?;
    let keys: BTreeMap<String, &RawValue> = keys.into_iter().map(|(key, value)| (upper(key), value)).collect();
    let mut out = serde_json::to_vec(&keys).unwrap_or_default();
    out.pop();
    Ok(out)
}

/// An object with its keys in PascalCase; anything else as it is.
pub(super) fn pascal_object(object: &[u8]) -> Vec<u8> {
    match open_pascal_object(object) {
        Ok(mut pascal) => {
            pascal.push(b'}');
            pascal
        }
        Err(_) => object.to_vec(),
    }
}

/// Names a key in the detail of a problem as the request has it: the session core knows it as other wires send it.
pub(super) fn rename_detail_key(problem: &mut Problem) {
    if problem.code == ErrorCode::InvalidRequest
        && let Some(key) = problem.detail.strip_prefix('\'')
    {
        problem.detail = format!("'{}", upper(key));
    }
}

fn upper(key: &str) -> String {
    let mut key = key.to_owned();
    if let Some(first) = key.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outer_keys_change() {
        let body = br#"{"HandleId":"h","Args":[{"Key":1}],"Kwargs":null,"handleId":"other"}"#;
        let camel = camel_case(body).expect("an object");
        assert_eq!(&camel[..], br#"{"args":[{"Key":1}],"handleId":"h","kwargs":null}"#);
        assert_eq!(
            &camel_case_of_all(br#"{"Name":"a","packages":1}"#).expect("an object")[..],
            br#"{"name":"a","packages":1}"#
        );
        for wrong in ["", "[]", "null", "{", "{} x", r#"{"A":1,"A":2}"#] {
            assert!(camel_case(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
