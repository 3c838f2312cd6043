//! The schemas of what is written by hand as JSON.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::capabilities::Capabilities;
use crate::form::ValueForm;
use crate::value::kinds::Value;

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Any JSON. In the plain form it is a Python value as a JSON reader expects it; in the exact form what JSON has \
                no word for is an object with one key that begins with `$`, such as {\"$tuple\": [1, 2]}. In a request, \
                {\"$handle\": \"a1.1.7\"} stands for an object that the session holds. PROTOCOL.md has the table of all forms.",
            "examples": [1, "text", [1, 2], { "$handle": "a1.1.7" }],
        })
    }
}

impl JsonSchema for ValueForm {
    fn schema_name() -> Cow<'static, str> {
        "ValueForm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "enum": [ValueForm::Plain.as_str(), ValueForm::Exact.as_str()],
            "description": "The form of values: `plain` for any JSON reader, `exact` to have every builtin value of Python back as it was.",
        })
    }
}

impl JsonSchema for Capabilities {
    fn schema_name() -> Cow<'static, str> {
        "Capabilities".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let all = Capabilities { stdin: true, callbacks: true, log: true, progress: true, raw_output: true };
        json_schema!({
            "type": "array",
            "items": { "type": "string", "enum": all.words() },
            "description": "What a client does for the code while its call runs (`stdin`, `callbacks`), and what it is told of.",
        })
    }
}
