//! The OpenAPI document.

use std::sync::LazyLock;

use beep_python_protocol::schema::{Event, Float};
use beep_python_protocol::{CallOption, CallOptions, DataFormat, Problem};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::openapi::described::{Described, Gives, Takes};
use crate::openapi::{errors, parameters, routes, schemas};

const DESCRIPTION: &str = "A client of this server runs Python. A *session* is an isolated namespace with its objects, in one process; a \
    *handle* is the name of an object that a session keeps.

Call options stand in headers, or in the body beside the keys of the request, where the body counts. Values are *plain* JSON, or *exact* \
    with the option `values`. Programs should look at the `code` of an error, a word that never changes its meaning.

Clients of the server's own user on the same machine need no token, unless the server wants one of everyone. Everyone else sends \
    `Authorization: Bearer TOKEN`.

GET routes answer HEAD too. PROTOCOL.md in the repository shows each operation by example.";

/// The parts of the document, in their order.
const TAGS: [&str; 4] = ["Operations of a session", "Sessions", "Environments", "The server"];

static DOCUMENT: LazyLock<(Value, String)> = LazyLock::new(|| {
    let document = make();
    let text = document.to_string();
    (document, text)
});

/// The document as JSON. It is made once, and is the same for each server of this version.
pub fn document() -> &'static str {
    &DOCUMENT.1
}

pub(super) fn value() -> &'static Value {
    &DOCUMENT.0
}

fn make() -> Value {
    let mut schemas = schemas::generator();
    let problem = schemas::of::<Problem>(&mut schemas);
    schemas::of::<Event>(&mut schemas);
    let parameters = parameters::components(&mut schemas);
    let mut paths = Map::new();
    for route in routes::all() {
        let operation = operation(&route, &mut schemas);
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        methods[route.method.to_ascii_lowercase()] = operation;
    }
    let mut schemas = schemas::components(schemas);
    if let Some(codes) = schemas.get_mut("ErrorCode") {
        codes["x-codes"] = errors::all();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "beep-python",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A managed Python for any application",
            "description": DESCRIPTION,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }],
        "tags": TAGS.map(|name| json!({ "name": name })),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": parameters,
            "responses": errors::components(&problem),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token of the server's: `beep-python token`." },
            },
        },
    })
}

fn operation(route: &Described, schemas: &mut SchemaGenerator) -> Value {
    let mut responses = json!({ "200": success(route, schemas) });
    for (status, answer) in route.errors.references() {
        responses[status] = answer;
    }
    if runs_code(route) {
        responses["204"] = json!({ "description": "No events follow the one that `Last-Event-ID` names." });
    }
    if let Gives::Home = route.gives {
        responses["303"] = json!({
            "description": "The login is taken: a cookie, and the way to the page without it.",
            "headers": { "Location": header("`/`.", "string"), "Set-Cookie": header("What stands for the login from now on.", "string") },
        });
    }
    let mut operation = json!({
        "operationId": route.id,
        "tags": [route.tag],
        "summary": route.summary,
        "responses": responses,
    });
    let parameters = parameters_of(route);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = body(route, schemas) {
        operation["requestBody"] = body;
    }
    operation
}

/// Whether it is an operation of a session, which a request that names an event does not run.
fn runs_code(route: &Described) -> bool {
    matches!((&route.takes, &route.gives), (Takes::Json(_) | Takes::Datum, gives) if !matches!(gives, Gives::SessionEvents(_)))
}

fn parameters_of(route: &Described) -> Vec<Value> {
    let of_path = route.path.contains("{sessionId}").then_some("sessionId");
    let options: Vec<_> = match (route.takes, route.gives) {
        // Those that a subscription knows.
        (_, Gives::SessionEvents(_)) => vec![CallOption::RequestId, CallOption::Values, CallOption::Capabilities],
        (Takes::Json(_) | Takes::Datum, _) => CallOption::all().collect(),
        _ => Vec::new(),
    };
    let mut all = parameters::references(of_path.into_iter().chain(options.into_iter().map(CallOption::key)));
    if let Takes::Datum = route.takes {
        all.extend(parameters::of_data());
    }
    if runs_code(route) {
        all.push(parameters::last_event_id());
    }
    if let Gives::Home = route.gives {
        all.push(parameters::login());
    }
    all
}

fn body(route: &Described, schemas: &mut SchemaGenerator) -> Option<Value> {
    let example = || serde_json::from_str::<Value>(route.example).unwrap_or_default();
    let json = |required: bool, schema: Value| json!({ "required": required, "content": { "application/json": { "schema": schema, "example": example() } } });
    Some(match route.takes {
        Takes::Nothing => return None,
        Takes::Json(of) => {
            let options = schemas::of::<CallOptions>(schemas);
            json(true, json!({ "allOf": [of(schemas), options] }))
        }
        Takes::Options(of) => json(false, of(schemas)),
        Takes::Plain(of) => json(true, of(schemas)),
        Takes::Datum => {
            let content: Map<String, Value> =
                DataFormat::ALL.map(|format| (format.media_type().to_owned(), datum(format))).into_iter().collect();
            json!({ "required": true, "content": content })
        }
    })
}

fn datum(format: DataFormat) -> Value {
    match format {
        DataFormat::Json => json!({ "schema": {} }),
        _ => json!({ "schema": { "type": "string", "format": "binary" } }),
    }
}

fn success(route: &Described, schemas: &mut SchemaGenerator) -> Value {
    let described = |description: &str, content: Value| json!({ "description": description, "content": content });
    let json = |schema: Value| json!({ "application/json": { "schema": schema } });
    let with_events = |schemas: &mut SchemaGenerator, mut content: Value, result: Value| {
        for (media, body) in events(schemas, &result) {
            content[media] = body;
        }
        content
    };
    match route.gives {
        Gives::Json(of) => described("The answer.", json(of(schemas))),
        Gives::Answer(of) => {
            let answer = of(schemas);
            described(
                "The answer; or events, where the request accepts these.",
                with_events(schemas, json(answer.clone()), answer),
            )
        }
        Gives::Events(of) | Gives::SessionEvents(of) => {
            let answer = of(schemas);
            described(
                "Events, the last of which has the answer, or the error.",
                with_events(schemas, json!({}), answer),
            )
        }
        Gives::Floats { rows } => {
            let row = json!({ "type": "array", "items": schemas::of::<Float>(schemas) });
            let schema = if rows { json!({ "type": "array", "items": row }) } else { row };
            let mut content = with_events(schemas, json(schema.clone()), json!({}));
            content["application/octet-stream"] = json!({ "schema": { "type": "string", "format": "binary" } });
            let mut answer =
                described("The floats: JSON; or, on request, little-endian bytes, row after row.", content);
            if rows {
                answer["headers"] = json!({ "X-Beep-Shape": header("Of bytes: rows and columns.", "string") });
            }
            answer
        }
        Gives::Datum => {
            let content: Map<String, Value> =
                DataFormat::ALL.map(|format| (format.media_type().to_owned(), datum(format))).into_iter().collect();
            let mut answer = described("The object's bytes.", content.into());
            answer["headers"] = json!({
                "X-Beep-Dtype": header("Of an array: the type of its items.", "string"),
                "X-Beep-Shape": header("Of an array: the length of each dimension.", "string"),
                "X-Beep-Session-Epoch": header("The session's epoch.", "integer"),
            });
            answer
        }
        Gives::Text(kinds) => {
            let text = |kind: &&str| ((*kind).to_owned(), json!({ "schema": { "type": "string" } }));
            described("The text.", kinds.iter().map(text).collect::<Map<_, _>>().into())
        }
        Gives::Document => described("The document.", json(json!({ "type": "object" }))),
        Gives::Home => {
            let mut content = json(json!({ "type": "object", "required": ["name", "version", "docs", "openapi"] }));
            content["text/html"] = json!({ "schema": { "type": "string" } });
            described("What the server is.", content)
        }
    }
}

/// Both framings of events. OpenAPI 3.1 has no word for what a body of many objects consists of.
fn events(schemas: &mut SchemaGenerator, result: &Value) -> [(&'static str, Value); 2] {
    let event = schemas::of::<Event>(schemas);
    let text = |told: &str| json!({ "schema": { "type": "string", "description": told }, "x-event-schema": event, "x-result-schema": result });
    [
        (
            "text/event-stream",
            text("Server-sent events: `event: NAME`, `data: OBJECT`, where the object has no key `event`."),
        ),
        ("application/x-ndjson", text("One event a line, as JSON.")),
    ]
}

fn header(description: &str, kind: &str) -> Value {
    json!({ "description": description, "schema": { "type": kind } })
}
