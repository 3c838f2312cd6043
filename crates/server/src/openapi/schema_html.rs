//! JSON Schemas for readers.

use serde_json::Value;

use crate::openapi::html::{escape, prose};

const COMPONENTS: &str = "#/components/schemas/";

/// What a schema takes, in a word or a few: `string`, `array of integer`, a link to a component.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix(COMPONENTS)) {
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(word) = schema.get("const") {
        return format!("<code>{}</code>", escape(&word.to_string()));
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().map(|word| format!("<code>{}</code>", escape(&word.to_string()))).collect();
        return words.join(", ");
    }
    for (key, between) in [("allOf", " with "), ("anyOf", " or "), ("oneOf", " or ")] {
        if let Some(parts) = schema[key].as_array().filter(|parts| parts.iter().any(says_a_kind)) {
            return parts.iter().filter(|part| says_a_kind(part)).map(kind).collect::<Vec<_>>().join(between);
        }
    }
    let one = |kind: &str| match kind {
        "array" if schema["items"].is_object() => format!("array of {}", self::kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", self::kind(&schema["additionalProperties"]))
        }
        other => escape(other),
    };
    match &schema["type"] {
        Value::String(name) => one(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>().join(" or "),
        _ => "any JSON".to_owned(),
    }
}

fn says_a_kind(schema: &Value) -> bool {
    ["$ref", "type", "const", "enum", "allOf", "anyOf", "oneOf"].iter().any(|key| schema.get(key).is_some())
}

/// A schema in full: what it is for, and a row for each of its properties or each of its forms.
pub(super) fn whole(schema: &Value) -> String {
    let mut out = description(schema);
    let forms = ["oneOf", "anyOf"].iter().find_map(|key| schema[key].as_array());
    match (schema["properties"].as_object(), forms) {
        (Some(properties), _) => {
            let required =
                |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
            out.push_str("<table>\n");
            for (name, property) in properties {
                let mark = if required(name) { " <span class=\"quiet\">required</span>" } else { "" };
                out.push_str(&format!(
                    "<tr><td><code>{}</code>{mark}</td><td>{}</td><td>{}</td></tr>\n",
                    escape(name),
                    kind(property),
                    told(property)
                ));
            }
            out.push_str("</table>\n");
        }
        (None, Some(forms)) => {
            out.push_str("<table>\n");
            for form in forms {
                out.push_str(&format!("<tr><td>{}</td><td>{}</td></tr>\n", form_name(form), told(form)));
            }
            out.push_str("</table>\n");
        }
        (None, None) => out.push_str(&format!("<p>{}</p>\n", kind(schema))),
    }
    out
}

/// A form by the word that tells it apart, if there is one.
fn form_name(form: &Value) -> String {
    let event = form["properties"]
        .as_object()
        .and_then(|properties| properties.values().find(|value| value.get("const").is_some()));
    match event {
        Some(event) if form.get("$ref").is_some() => format!("{}: {}", kind(event), kind(form)),
        Some(event) => kind(event),
        None => kind(form),
    }
}

fn told(schema: &Value) -> String {
    schema["description"].as_str().map(prose).unwrap_or_default()
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().map(crate::openapi::html::paragraphs).unwrap_or_default()
}
