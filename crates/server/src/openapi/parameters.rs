//! Call options as headers, and the other parameters of routes.

use beep_python_protocol::{CallOption, CallOptions};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

/// The parameters that several routes have. What a call option means, and of what type it is, says the schema of the options.
pub(super) fn components(schemas: &mut SchemaGenerator) -> Map<String, Value> {
    let options = schemas.root_schema_for::<CallOptions>().to_value();
    let option = |option: CallOption| {
        let mut schema = options["properties"][option.key()].clone();
        let description = schema.as_object_mut().and_then(|keys| keys.remove("description")).unwrap_or_default();
        let mut header = json!({ "name": in_capitals(option.header()), "in": "header", "description": description });
        let schema = without_null(schema);
        match option {
            // JSON in a header.
            CallOption::Limits => header["content"] = json!({ "application/json": { "schema": schema } }),
            CallOption::Capabilities => {
                header["schema"] = schema;
                header["style"] = json!("simple");
            }
            _ => header["schema"] = schema,
        }
        (option.key().to_owned(), header)
    };
    let mut all: Map<String, Value> = CallOption::all().map(option).collect();
    all.insert("sessionId".to_owned(), session_id());
    all
}

/// References to parameters of these names.
pub(super) fn references<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    names.into_iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })).collect()
}

/// The parameters of a datum in a request.
pub(super) fn of_data() -> Vec<Value> {
    vec![
        json!({
            "name": "name", "in": "query", "schema": { "type": "string" },
            "description": "The name that the object gets in the session. Without one the answer is a handle.",
        }),
        json!({
            "name": "X-Beep-Dtype", "in": "header", "schema": { "type": "string" }, "example": "<f8",
            "description": "Of an array of raw bytes: the type of its items, as numpy's array protocol spells it. Without it they are bytes.",
        }),
        json!({
            "name": "X-Beep-Shape", "in": "header", "schema": { "type": "string", "pattern": "^[0-9]+(,[0-9]+)*$" }, "example": "1000,50",
            "description": "Of an array of raw bytes: the length of each dimension.",
        }),
    ]
}

/// The last event that a client has of a call.
pub(super) fn last_event_id() -> Value {
    json!({
        "name": "Last-Event-ID", "in": "header", "schema": { "type": "string" },
        "description": "The id of the last server-sent event that the client has: the answer goes on behind it, and nothing runs.",
    })
}

/// The login in the address that a browser opens.
pub(super) fn login() -> Value {
    json!({
        "name": "login", "in": "query", "schema": { "type": "string" },
        "description": "A login from `/api/login`, good once: a browser that shows it gets a cookie.",
    })
}

fn session_id() -> Value {
    json!({
        "name": "sessionId", "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 }, "example": "default",
        "description": "The session; `default` is the server's own.",
    })
}

/// Absent in a body is null too; a header that is there has a value.
fn without_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema["type"].as_array() {
        let kinds: Vec<_> = kinds.iter().filter(|kind| **kind != "null").cloned().collect();
        schema["type"] = match <[Value; 1]>::try_from(kinds) {
            Ok([one]) => one,
            Err(several) => several.into(),
        };
    }
    let other = schema["anyOf"].as_array().and_then(|any| any.iter().find(|one| one["type"] != "null"));
    other.cloned().unwrap_or(schema)
}

/// `X-Beep-Session` for `x-beep-session`.
fn in_capitals(header: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    header.split('-').map(word).collect::<Vec<_>>().join("-")
}
