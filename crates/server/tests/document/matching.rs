//! Whether an answer is what the document says.
//!
//! `"{name}"` stands for what the first answer has in its place, from then on and in requests too. `…` stands for
//! anything: as a value, within a text, at the end of an array for further items, as a key for further keys.

use std::collections::BTreeMap;

use serde_json::Value;

/// What the names stand for.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, Value>);

impl Names {
    /// The text with what its names stand for in their place.
    pub fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| {
            let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.replace(&format!("{{{name}}}"), &plain)
        })
    }

    /// Compares a body. What is no JSON must be the same letter for letter, but for `…`.
    pub fn compare_bodies(&mut self, expected: &str, actual: &str) -> Result<(), String> {
        if self.fill(expected).replace(", ", ",") == actual {
            return Ok(());
        }
        let different = || Err(format!("expected {expected}\n  but got {actual}"));
        let (Ok(wanted), Ok(got)) = (serde_json::from_str(expected), serde_json::from_str::<Value>(actual)) else {
            return if like(&self.fill(expected), actual) { Ok(()) } else { different() };
        };
        self.compare(&wanted, &got).or_else(|place| different().map_err(|told| format!("{told}\n  at {place}")))
    }

    /// The error is where they differ.
    fn compare(&mut self, expected: &Value, actual: &Value) -> Result<(), String> {
        match (expected, actual) {
            (Value::String(expected), _) => self.compare_text(expected, actual),
            (Value::Array(expected), Value::Array(actual)) => {
                let open = expected.last() == Some(&Value::from("…"));
                let wanted = if open { &expected[..expected.len() - 1] } else { &expected[..] };
                if wanted.len() > actual.len() || (!open && wanted.len() < actual.len()) {
                    return Err("an array's length".to_owned());
                }
                let mut pairs = wanted.iter().zip(actual).enumerate();
                pairs.try_for_each(|(at, (e, a))| self.compare(e, a).map_err(|place| format!("[{at}] {place}")))
            }
            (Value::Object(expected), Value::Object(actual)) => {
                let open = expected.contains_key("…");
                if let Some(extra) = actual.keys().find(|key| !open && !expected.contains_key(*key)) {
                    return Err(format!("'{extra}', which is not expected"));
                }
                expected.iter().filter(|(key, _)| *key != "…").try_for_each(|(key, expected)| {
                    let actual = actual.get(key).ok_or_else(|| format!("'{key}', which is missing"))?;
                    self.compare(expected, actual).map_err(|place| format!("{key} {place}"))
                })
            }
            _ if expected == actual => Ok(()),
            _ => Err(format!("({actual})")),
        }
    }

    fn compare_text(&mut self, expected: &str, actual: &Value) -> Result<(), String> {
        if expected == "…" {
            return Ok(());
        }
        let name = expected.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(name) = name.filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase())) {
            let known = self.0.entry(name.to_owned()).or_insert_with(|| actual.clone());
            return if known == actual { Ok(()) } else { Err(format!("({actual}, not {known})")) };
        }
        let filled = self.fill(expected);
        match actual.as_str() {
            Some(actual) if like(&filled, actual) => Ok(()),
            _ => Err(format!("({actual})")),
        }
    }
}

/// Whether a text is the expected one, in which `…` stands for anything.
fn like(expected: &str, actual: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|first| actual.strip_prefix(first)) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn differences_are_reported() {
    let mut names = Names::default();
    let compare = |names: &mut Names, expected, actual| names.compare_bodies(expected, actual);
    compare(&mut names, r#"{"id": "{it}", "n": 1, "…": "…"}"#, r#"{"id":"x","n":1,"m":2}"#).unwrap();
    assert_eq!(names.fill("a {it} {other}"), "a x {other}");
    for (expected, actual) in [
        (r#"{"id": "{it}"}"#, r#"{"id":"y"}"#),
        (r#"{"n": 1}"#, r#"{"n":1.0}"#),
        (r#"{"n": 1}"#, r#"{"n":1,"m":2}"#),
        (r#"{"n": 1, "…": "…"}"#, r#"{"m":2}"#),
        ("[1]", "[1,2]"),
        (r#"[1, 2, "…"]"#, "[1]"),
        (r#""a…c""#, r#""abcd""#),
        ("[1e999]", "[-1e999]"),
    ] {
        assert!(compare(&mut names, expected, actual).is_err(), "{expected} {actual}");
    }
    for (expected, actual) in [("[1e999, 1.0]", "[1e999,1.0]"), (r#"[1, "…"]"#, "[1,2]"), (r#""a…c…""#, r#""abcd""#)]
    {
        compare(&mut names, expected, actual).unwrap();
    }
}
