//! Values of the file: the exact form, with what earlier steps saved and functions of the client in it.

use beep_python_client::protocol::Value;
use beep_python_client::{AnyBackend, CallbackCall};
use serde_json::{Map, Value as Json, json};

use super::done::Saved;

/// Reads the values of one step, and offers the callbacks in them.
pub struct Reader<'a> {
    pub saved: &'a Saved,
    /// The client with the callbacks.
    pub python: AnyBackend,
    offered: usize,
}

impl<'a> Reader<'a> {
    pub fn new(saved: &'a Saved, python: AnyBackend) -> Reader<'a> {
        Reader { saved, python, offered: 0 }
    }

    pub fn read(&mut self, json: &Json) -> Result<Value, String> {
        let json = self.replaced(json)?;
        serde_json::from_value(json.clone()).map_err(|error| format!("{json} is no value: {error}"))
    }

    fn replaced(&mut self, json: &Json) -> Result<Json, String> {
        match json {
            Json::Object(map) => match (map.get("$saved"), map.get("$callback")) {
                (Some(name), _) => Ok(json!({"$handle": self.saved.handle(name)?.id()})),
                (_, Some(function)) => {
                    self.offered += 1;
                    let name = format!("f{}", self.offered);
                    self.python = offer(&self.python, &name, function)?;
                    Ok(json!({ "$callback": name }))
                }
                _ => {
                    let pairs = map.iter().map(|(key, value)| Ok((key.clone(), self.replaced(value)?)));
                    Ok(Json::Object(pairs.collect::<Result<Map<_, _>, String>>()?))
                }
            },
            Json::Array(items) => {
                items.iter().map(|item| self.replaced(item)).collect::<Result<_, _>>().map(Json::Array)
            }
            plain => Ok(plain.clone()),
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The client with one callback more.
fn offer(python: &AnyBackend, name: &str, function: &Json) -> Result<AnyBackend, String> {
    let function = function.as_object().ok_or("a callback says what it does")?;
    let (what, with) = function.iter().next().ok_or("a callback says what it does")?;
    let with = with.clone();
    let inner = python.clone();
    Ok(match what.as_str() {
        "returns" => {
            let value: Value = serde_json::from_value(with).map_err(|error| error.to_string())?;
            python.with_callback(name, move |_| {
                let value = value.clone();
                async move { Ok::<Value, Failure>(value) }
            })
        }
        "echo" => {
            python.with_callback(name, |call: CallbackCall| async move { Ok::<Value, Failure>(Value::List(call.args)) })
        }
        "raises" => python.with_callback(name, move |_| {
            let text = with.as_str().unwrap_or_default().to_owned();
            async move { Err::<Value, Failure>(text.into()) }
        }),
        "evals" => python.with_callback(name, move |call: CallbackCall| {
            let within = inner.nested_in(&call);
            let code = with.as_str().unwrap_or_default().to_owned();
            async move { Ok::<Value, Failure>(within.evaluate(&code).await?) }
        }),
        other => return Err(format!("a callback cannot do {other}")),
    })
}

/// Whether a value is the expected one; `"…"` stands for any.
pub fn is_expected(got: &Json, expected: &Json) -> bool {
    match (got, expected) {
        (_, Json::String(any)) if any == "…" => true,
        (Json::Array(got), Json::Array(expected)) => {
            got.len() == expected.len() && got.iter().zip(expected).all(|(got, expected)| is_expected(got, expected))
        }
        (Json::Object(got), Json::Object(expected)) if is_set(got) && is_set(expected) => {
            let items =
                |map: &Map<String, Json>| map.values().next().and_then(Json::as_array).cloned().unwrap_or_default();
            let (got_items, expected_items) = (items(got), items(expected));
            got.keys().eq(expected.keys())
                && got_items.len() == expected_items.len()
                && expected_items.iter().all(|expected| got_items.iter().any(|got| is_expected(got, expected)))
        }
        (Json::Object(got), Json::Object(expected)) => {
            got.len() == expected.len()
                && expected.iter().all(|(key, expected)| got.get(key).is_some_and(|got| is_expected(got, expected)))
        }
        _ => got == expected,
    }
}

fn is_set(map: &Map<String, Json>) -> bool {
    map.len() == 1 && map.keys().all(|key| key == "$set" || key == "$frozenset")
}
