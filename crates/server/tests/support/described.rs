//! The document of the HTTP wire, and whether what goes over a wire is as it says.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use beep_python_protocol::{HostOperation, Operation};
use beep_python_server::openapi::document;
use jsonschema::Validator;
use serde_json::{Value, json};

/// The document of this version.
pub struct Document {
    pub whole: Value,
    /// By the schemas that they check.
    validators: Mutex<BTreeMap<String, &'static Validator>>,
}

/// A body as it went over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    pub kind: &'a str,
    pub bytes: &'a [u8],
}

impl Document {
    pub fn get() -> &'static Document {
        static READ: OnceLock<Document> = OnceLock::new();
        READ.get_or_init(|| Document {
            whole: serde_json::from_str(document()).expect("JSON"),
            validators: Mutex::default(),
        })
    }

    /// The template of the route of a path, and its operation of this method.
    pub fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let path = path.split('?').next()?;
        let fits = |template: &str| {
            template.split('/').count() == path.split('/').count()
                && template.split('/').zip(path.split('/')).all(|(want, is)| want == is || want == "{sessionId}")
        };
        let paths = self.whole["paths"].as_object().expect("paths");
        let (_, methods) = paths.iter().find(|(template, _)| fits(template))?;
        methods.get(method.to_ascii_lowercase())
    }

    /// Whether a request that was carried out, and the answer to any request, are as the document says. What is not described is not
    /// checked: routes and methods that there are not.
    pub fn check(&self, method: &str, path: &str, sent: &[u8], status: u16, answer: Body<'_>) -> Result<(), String> {
        let Some(operation) = self.operation(method, path) else { return Ok(()) };
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if status == 200
            && !schema.is_null()
            && let Ok(body) = serde_json::from_slice(sent)
        {
            self.valid(schema, &body).map_err(|told| format!("the request is not as described: {told}"))?;
        }
        let described = self.resolved(&operation["responses"][status.to_string()]);
        if described.is_null() {
            return Err(format!("the status {status} is not described"));
        }
        let kind = answer.kind.split(';').next().unwrap_or_default();
        let content = &described["content"][kind];
        if answer.bytes.is_empty() && described.get("content").is_none() {
            return Ok(());
        }
        if content.is_null() {
            return Err(format!("the type {kind:?} is not described for {status}"));
        }
        let checked = match kind {
            "application/x-ndjson" => self.lines(content, answer.bytes),
            "application/json" | "application/problem+json" => match serde_json::from_slice(answer.bytes) {
                Ok(body) => self.valid(&content["schema"], &body),
                // Infinities are numbers that this reader does not take.
                Err(_) if answer.bytes.windows(4).any(|four| four == b"e999") => Ok(()),
                Err(error) => Err(error.to_string()),
            },
            _ => Ok(()),
        };
        checked.map_err(|told| format!("the answer is not as described: {told}"))
    }

    /// Checks a line of a pipe: the answer to a request, or an event of it.
    pub fn check_line(&self, sent: Option<&Value>, line: &str) -> Result<(), String> {
        let Ok(line) = serde_json::from_str::<Value>(line) else { return Ok(()) };
        let of_component = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
        if line.get("event").is_some() {
            return self.valid(&of_component("Event"), &line);
        }
        if let Some(problem) = line.get("errorInfo") {
            return self.valid(&of_component("Problem"), problem);
        }
        let Some(sent) = sent else { return Ok(()) };
        let Some(operation) = sent["command"].as_str().and_then(|command| self.of_command(command)) else {
            return Ok(());
        };
        let payload = sent.get("payload").filter(|payload| !payload.is_null());
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        // On the pipe the body names the session, a cancel the id of a line, and data go otherwise.
        let names_line = payload.is_some_and(|payload| payload["requestId"].is_number());
        let names_session = payload.is_some_and(|payload| payload.get("sessionId").is_some());
        let same = !names_line && !names_session && sent.get("via").is_none();
        if let Some(payload) = payload.filter(|_| same && !body.is_null()) {
            self.valid(body, payload).map_err(|told| format!("the request is not as described: {told}"))?;
        }
        let answers = self.resolved(&operation["responses"]["200"])["content"].as_object().expect("answers");
        let schema = answers.get("application/json").map(|content| &content["schema"]);
        let schema = schema.or_else(|| answers.get("application/x-ndjson").map(|content| &content["x-result-schema"]));
        match schema.filter(|_| sent.get("via").is_none() && line.get("via").is_none()) {
            Some(schema) => {
                self.valid(schema, &line["result"]).map_err(|told| format!("the answer is not as described: {told}"))
            }
            None => Ok(()),
        }
    }

    fn of_command(&self, command: &str) -> Option<&Value> {
        if let Some(operation) = Operation::from_pipe_command(command) {
            return self.operation("POST", operation.http_path());
        }
        let operation = HostOperation::from_pipe_command(command)?;
        self.operation(operation.http_method(), operation.http_path())
    }

    fn lines(&self, content: &Value, body: &[u8]) -> Result<(), String> {
        for line in String::from_utf8_lossy(body).lines() {
            let event: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
            self.valid(&content["x-event-schema"], &event)?;
            if event["event"] == "result" {
                self.valid(&content["x-result-schema"], &event)?;
            }
        }
        Ok(())
    }

    /// What a reference refers to.
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
            Some(pointer) => self.whole.pointer(pointer).unwrap_or(value),
            None => value,
        }
    }

    /// Whether a value is what a schema of the document says.
    pub fn valid(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let validator = *self.validators.lock().expect("no panic").entry(schema.to_string()).or_insert_with(|| {
            let whole = json!({ "allOf": [schema], "components": self.whole["components"] });
            Box::leak(Box::new(jsonschema::draft202012::new(&whole).expect("a schema")))
        });
        let wrong: Vec<_> =
            validator.iter_errors(value).map(|error| format!("{error} at {}", error.instance_path())).collect();
        if wrong.is_empty() { Ok(()) } else { Err(format!("{} in {value}", wrong.join("; "))) }
    }
}
