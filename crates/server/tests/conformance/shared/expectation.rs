//! Compares what a step has given with what the case expects.

use beep_python_client::{Error, Handle};
use serde_json::{Value as Json, json};

use super::done::{Done, Got, Saved};
use super::value::is_expected;

/// What is not as it should be. Without an expectation the step must not have failed.
pub fn check(done: &Done, expected: Option<&Json>, saved: &Saved) -> Result<(), String> {
    let empty = serde_json::Map::new();
    let expected = expected.and_then(Json::as_object).unwrap_or(&empty);
    if let Some(Err(error)) = &done.result
        && !expected.contains_key("error")
    {
        return Err(format!("it failed: {error:#}"));
    }
    for (key, expected) in expected {
        let is = match key.as_str() {
            "stdout" => same(&json!(done.stdout), expected),
            "stderr" => same(&json!(done.stderr), expected),
            "events" => events(&done.events, expected),
            "items" => {
                let expected = expected.as_array().ok_or("`items` is an array")?;
                let all = done.items.len() == expected.len();
                let each = done.items.iter().zip(expected).all(|(item, expected)| result(item, expected).is_ok());
                if all && each { Ok(()) } else { Err(format!("the items are {:?}", shown_all(&done.items))) }
            }
            "outputs" => outputs(done, expected),
            "error" => match &done.result {
                Some(Err(error)) => failure(error, expected),
                _ => Err("it did not fail".into()),
            },
            _ => match &done.result {
                Some(Ok(got)) => of_result(key, got, expected, saved),
                _ => Err("there is no result".into()),
            },
        };
        is.map_err(|wrong| format!("`{key}`: {wrong}"))?;
    }
    Ok(())
}

fn of_result(key: &str, got: &Got, expected: &Json, saved: &Saved) -> Result<(), String> {
    match (key, got) {
        ("value", Got::Value(value)) => same(value, expected),
        ("handle", Got::Handle(handle)) => properties(handle, expected),
        ("datum", Got::Datum(datum)) => same(datum, expected),
        ("outcome", Got::Outcome(outcome)) => {
            let is =
                expected == &json!(outcome) || expected.as_array().is_some_and(|any| any.contains(&json!(outcome)));
            if is { Ok(()) } else { Err(format!("it is {outcome}")) }
        }
        ("contains", Got::Value(Json::Array(all))) => {
            let named = |name: &Json| match name.as_str().and_then(|name| saved.sessions.get(name)) {
                Some(session) => json!(session),
                None => name.clone(),
            };
            let missing = expected.as_array().into_iter().flatten().find(|name| !all.contains(&named(name)));
            missing.map_or(Ok(()), |name| Err(format!("{name} is not among them")))
        }
        ("results", Got::Results(results)) => {
            let expected = expected.as_array().ok_or("`results` is an array")?;
            if results.len() != expected.len() {
                return Err(format!("there are {}", results.len()));
            }
            let mut each = results.iter().zip(expected).enumerate();
            each.try_for_each(|(at, (got, expected))| {
                of_batch_step(got, expected).map_err(|wrong| format!("{at}: {wrong}"))
            })
        }
        _ => Err(format!("it is {}", shown(got))),
    }
}

fn of_batch_step(got: &Result<Got, Error>, expected: &Json) -> Result<(), String> {
    match (got, expected.get("error"), expected.get("skipped")) {
        (Err(error), Some(expected), _) => failure(error, expected),
        (Err(error), None, Some(_)) if error.code().is_some_and(|code| code.as_str() == "cancelled") => Ok(()),
        (Ok(_), None, None) if expected == &json!({}) => Ok(()),
        (Ok(got), None, None) => result(got, expected),
        (Ok(got), ..) => Err(format!("it is {}", shown(got))),
        (Err(error), ..) => Err(format!("it failed: {error:#}")),
    }
}

/// `{"value": …}`, `{"handle": {…}}`, or the value itself.
fn result(got: &Got, expected: &Json) -> Result<(), String> {
    match (got, expected.get("value"), expected.get("handle")) {
        (Got::Handle(handle), _, Some(expected)) => properties(handle, expected),
        (Got::Value(value), Some(expected), _) => same(value, expected),
        (Got::Value(value), None, None) => same(value, expected),
        _ => Err(format!("it is {}", shown(got))),
    }
}

fn outputs(done: &Done, expected: &Json) -> Result<(), String> {
    let expected = expected.as_object().ok_or("`outputs` is an object")?;
    if !done.outputs.keys().eq(expected.keys()) {
        return Err(format!("they are {:?}", done.outputs.keys()));
    }
    expected.iter().try_for_each(|(name, expected)| result(&done.outputs[name], expected))
}

fn properties(handle: &Handle, expected: &Json) -> Result<(), String> {
    for (key, expected) in expected.as_object().into_iter().flatten() {
        let got = match key.as_str() {
            "typeName" => json!(handle.type_name()),
            "typeModule" => json!(handle.type_module()),
            "shape" => json!(handle.shape()),
            "dtype" => json!(handle.dtype()),
            other => return Err(format!("a handle has no `{other}`")),
        };
        same(&got, expected)?;
    }
    Ok(())
}

fn failure(error: &Error, expected: &Json) -> Result<(), String> {
    for (key, expected) in expected.as_object().into_iter().flatten() {
        let outcome = match error {
            Error::Host(problem) => serde_json::to_value(problem.outcome).expect("a word"),
            _ => Json::Null,
        };
        let is = match key.as_str() {
            "code" => same(&json!(error.code().map(|code| code.as_str())), expected),
            "type" => same(&json!(error.exception().map(|exception| &exception.kind)), expected),
            "message" => same(&json!(error.exception().map(|exception| &exception.message)), expected),
            "outcome" => same(&outcome, expected),
            "kept" => same(&json!(outcome != json!("state_lost")), expected),
            "detail" if expected.as_str().is_some_and(|part| error.to_string().contains(part)) => Ok(()),
            "detail" => Err(format!("it is {error}")),
            other => Err(format!("an error has no `{other}`")),
        };
        is.map_err(|wrong| format!("{key}: {wrong}"))?;
    }
    Ok(())
}

/// Each with the keys that are named.
fn events(got: &[Json], expected: &Json) -> Result<(), String> {
    let expected = expected.as_array().ok_or("`events` is an array")?;
    let matches = |got: &Json, expected: &Json| {
        let named = expected.as_object().into_iter().flatten();
        named.into_iter().all(|(key, expected)| got.get(key).is_some_and(|got| is_same(got, expected)))
    };
    let all = got.len() == expected.len() && got.iter().zip(expected).all(|(got, expected)| matches(got, expected));
    if all { Ok(()) } else { Err(format!("they are {}", Json::from(got.to_vec()))) }
}

/// Events are plain JSON, where 1 and 1.0 are one number.
fn is_same(got: &Json, expected: &Json) -> bool {
    match (got.as_f64(), expected.as_f64()) {
        (Some(got), Some(expected)) => got == expected,
        _ => is_expected(got, expected),
    }
}

fn same(got: &Json, expected: &Json) -> Result<(), String> {
    if is_expected(got, expected) { Ok(()) } else { Err(format!("it is {got}")) }
}

fn shown(got: &Got) -> String {
    match got {
        Got::Nothing => "nothing".into(),
        Got::Value(value) | Got::Datum(value) => value.to_string(),
        Got::Handle(handle) => format!("a handle of {}", handle.type_name()),
        Got::Session(session) => format!("the session {session}"),
        Got::Outcome(outcome) => outcome.clone(),
        Got::Results(results) => format!("{} results", results.len()),
    }
}

fn shown_all(got: &[Got]) -> Vec<String> {
    got.iter().map(shown).collect()
}
