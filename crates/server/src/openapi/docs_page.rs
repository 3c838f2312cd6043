//! The document as a page: all of it is in the page, and nothing is asked for elsewhere.

use std::sync::LazyLock;

use serde_json::Value;

use crate::openapi::document;
use crate::openapi::html::{escape, page as whole, paragraphs, prose};
use crate::openapi::schema_html::{self, kind};

/// Stands in the page for how the reader reaches the server.
const ORIGIN: &str = "{ORIGIN}";

static PAGE: LazyLock<String> = LazyLock::new(|| whole("beep-python: all routes", &content(document::value())));

/// The page, whose examples go to this origin.
pub(super) fn page(origin: &str) -> String {
    PAGE.replace(ORIGIN, &escape(origin))
}

fn content(document: &Value) -> String {
    let info = &document["info"];
    let tags: Vec<_> =
        document["tags"].as_array().into_iter().flatten().filter_map(|tag| tag["name"].as_str()).collect();
    let links: String = tags
        .iter()
        .chain(&["Call options", "Errors", "Schemas"])
        .map(|name| format!("<li><a href=\"#{}\">{name}</a></li>\n", anchor(name)))
        .collect();
    let mut out = format!(
        "<h1>beep-python {}</h1>\n{}<p>The same <a href=\"/openapi.json\">for machines</a>; <a href=\"/\">what this server is</a>.</p>\n\
        <nav><ul>\n{links}</ul></nav>\n",
        info["version"].as_str().unwrap_or_default(),
        paragraphs(info["description"].as_str().unwrap_or_default()),
    );
    for tag in tags {
        out.push_str(&heading(tag));
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            let of_tag =
                |operation: &&Value| operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|one| one == tag));
            for (method, operation) in
                methods.as_object().into_iter().flatten().filter(|(_, operation)| of_tag(operation))
            {
                out.push_str(&operation_html(document, path, &method.to_ascii_uppercase(), operation));
            }
        }
    }
    out.push_str(&call_options(document));
    out.push_str(&errors(document));
    out.push_str(&schemas(document));
    out
}

fn operation_html(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let id = operation["operationId"].as_str().unwrap_or_default();
    let mut out = format!(
        "<details id=\"{id}\"><summary><span class=\"method\">{method}</span> <code>{}</code> {}</summary>\n",
        escape(path),
        prose(operation["summary"].as_str().unwrap_or_default())
    );
    let (shared, own): (Vec<_>, Vec<_>) = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| resolved(document, one))
        .partition(|one| is_option(one));
    if !own.is_empty() {
        out.push_str(&format!("<h4>Parameters</h4>\n{}", parameters(&own)));
    }
    if !shared.is_empty() {
        let names: Vec<_> =
            shared.iter().filter_map(|one| one["name"].as_str()).map(|name| format!("<code>{name}</code>")).collect();
        out.push_str(&format!("<p><a href=\"#call-options\">Call options</a>: {}</p>\n", names.join(", ")));
    }
    let body = &operation["requestBody"];
    if !body.is_null() {
        let optional = if body["required"] == true { "" } else { " <span class=\"quiet\">may be absent</span>" };
        out.push_str(&format!("<h4>Body{optional}</h4>\n{}", media(&body["content"])));
    }
    let success = &operation["responses"]["200"];
    out.push_str(&format!(
        "<h4>Answer</h4>\n<p>{}</p>\n{}",
        prose(success["description"].as_str().unwrap_or_default()),
        media(&success["content"])
    ));
    out.push_str(&format!("<h4>Errors</h4>\n<p>{}</p>\n", codes(document, operation)));
    out.push_str(&format!("<h4>Example</h4>\n<pre><code>{}</code></pre>\n</details>\n", curl(path, method, body)));
    out
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(value),
        None => value,
    }
}

/// Whether a parameter is a call option, which have a section of their own.
fn is_option(parameter: &Value) -> bool {
    parameter["in"] == "header" && parameter["example"].is_null()
}

fn parameters<'a>(all: impl IntoIterator<Item = &'a &'a Value>) -> String {
    let row = |one: &&Value| {
        let schema =
            if one["content"].is_object() { &one["content"]["application/json"]["schema"] } else { &one["schema"] };
        format!(
            "<tr><td><code>{}</code> <span class=\"quiet\">{}</span></td><td>{}</td><td>{}</td></tr>\n",
            one["name"].as_str().unwrap_or_default(),
            one["in"].as_str().unwrap_or_default(),
            kind(schema),
            prose(one["description"].as_str().unwrap_or_default())
        )
    };
    let rows: String = all.into_iter().map(row).collect();
    format!("<table>\n{rows}</table>\n")
}

/// The types of a body, each with its schema.
fn media(content: &Value) -> String {
    let row = |(media, body): (&String, &Value)| {
        let told = match (&body["x-event-schema"], &body["x-result-schema"]) {
            (Value::Null, _) => kind(&body["schema"]),
            (event, result) => format!("each {}, the last with {}", kind(event), kind(result)),
        };
        format!("<tr><td><code>{}</code></td><td>{told}</td></tr>\n", escape(media))
    };
    let rows: String = content.as_object().into_iter().flatten().map(row).collect();
    format!("<table>\n{rows}</table>\n")
}

/// The codes that an operation may fail with, by status.
fn codes(document: &Value, operation: &Value) -> String {
    let mut out = Vec::new();
    for (status, answer) in
        operation["responses"].as_object().into_iter().flatten().filter(|(status, _)| *status != "200")
    {
        let schema = &resolved(document, answer)["content"]["application/problem+json"]["schema"];
        let words =
            schema["allOf"][1]["properties"]["code"]["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let links: Vec<_> = words.map(|code| format!("<a href=\"#error-{code}\">{code}</a>")).collect();
        out.push(format!("{status}: {}", links.join(", ")));
    }
    out.join(" · ")
}

/// A call on a command line.
fn curl(path: &str, method: &str, body: &Value) -> String {
    let mut out = format!("curl -s {ORIGIN}{}", path.replace("{sessionId}", "default"));
    if method != "GET" && (body.is_null() || method != "POST") {
        out.push_str(&format!(" -X {method}"));
    }
    let example = &body["content"]["application/json"]["example"];
    if !example.is_null() {
        out.push_str(&format!(
            " -H 'Content-Type: application/json' -d '{}'",
            example.to_string().replace('\'', r"'\''")
        ));
    } else if body.is_object() {
        out.push_str(" -H 'Content-Type: application/octet-stream' --data-binary 'abc'");
    } else if method == "POST" {
        out.push_str(" -H 'Content-Type: application/json'");
    }
    escape(&out)
}

fn call_options(document: &Value) -> String {
    let all = document["components"]["parameters"].as_object();
    let options: Vec<_> = all.into_iter().flat_map(|all| all.values()).filter(|one| is_option(one)).collect();
    format!("{}{}", heading("Call options"), parameters(&options))
}

fn errors(document: &Value) -> String {
    let row = |code: &Value| {
        let word = code["code"].as_str().unwrap_or_default();
        format!(
            "<tr id=\"error-{word}\"><td><code>{word}</code></td><td>{}</td><td>{}</td></tr>\n",
            code["status"],
            prose(code["meaning"].as_str().unwrap_or_default())
        )
    };
    let rows: String =
        document["components"]["schemas"]["ErrorCode"]["x-codes"].as_array().into_iter().flatten().map(row).collect();
    let told = "An error is a <a href=\"#schema-Problem\">Problem</a>, as <code>application/problem+json</code>.";
    format!("{}<p>{told}</p>\n<table>\n{rows}</table>\n", heading("Errors"))
}

fn schemas(document: &Value) -> String {
    let all = document["components"]["schemas"].as_object();
    let one = |(name, schema): (&String, &Value)| {
        format!(
            "<section class=\"one\" id=\"schema-{name}\"><h3>{name}</h3>\n{}</section>\n",
            schema_html::whole(schema)
        )
    };
    let all: String = all.into_iter().flatten().map(one).collect();
    heading("Schemas") + &all
}

fn heading(name: &str) -> String {
    format!("<h2 id=\"{}\">{name}</h2>\n", anchor(name))
}

fn anchor(name: &str) -> String {
    name.to_ascii_lowercase().replace(' ', "-")
}
