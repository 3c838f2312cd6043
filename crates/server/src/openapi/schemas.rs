//! The schemas of the messages, tidied up for readers.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

/// Makes a reference to a schema, which then is among the components.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Value;

/// The schema of a message.
pub(super) fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

/// A generator whose schemas are components of an OpenAPI document.
pub(super) fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator()
}

/// All schemas that were asked for.
pub(super) fn components(mut schemas: SchemaGenerator) -> Map<String, Value> {
    let mut found = schemas.take_definitions(true);
    found.values_mut().for_each(tidy);
    found
}

/// Takes out what says nothing: defaults that are the absence of a value, and the links of Rust's own documentation.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(keys) => {
            if keys.get("default").is_some_and(|default| !default.is_boolean()) {
                keys.remove("default");
            }
            if let Some(Value::String(text)) = keys.get_mut("description") {
                *text = without_links(text);
            }
            keys.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// The text with "`Name`" in the place of "[`Name`](path)" and "[`Name`]".
fn without_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        out.push_str(before);
        let Some((name, after)) = link.split_once("`]") else {
            rest = link;
            out.push_str("[`");
            continue;
        };
        out.push_str(&format!("`{name}`"));
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_rust_become_names() {
        assert_eq!(without_links("The body of [`A::B`](crate::A::B)."), "The body of `A::B`.");
        assert_eq!(without_links("[`A`], or `b` [1]"), "`A`, or `b` [1]");
        assert_eq!(without_links("[`A"), "[`A");
    }
}
