//! Answers that hosts write around what a session says.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::data::DataDescriptor;
use crate::error::ErrorCode;
use crate::exception::PythonException;
use crate::message::CallResponse;
use crate::value::kinds::Value;

/// What every answer of a session has beside its own keys.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Said {
    /// What the call wrote to standard output. Absent if it wrote nothing, or its events told that.
    #[schemars(default)]
    pub stdout: String,
    /// What the call wrote to standard error. Absent if it wrote nothing, or its events told that.
    #[schemars(default)]
    pub stderr: String,
    /// How many bytes of the output were left out. Absent if none were.
    #[schemars(default)]
    pub omitted_output_bytes: u64,
    /// The session's epoch: 1 at first, one more after each restart.
    pub session_epoch: u64,
}

/// A value, or a handle: then `isHandle` is true.
#[derive(Debug, JsonSchema)]
#[schemars(
    rename_all = "camelCase",
    extend("required" = ["sessionEpoch"], "oneOf" = [{ "required": ["value"] }, { "required": ["isHandle", "handleId", "typeName"] }])
)]
pub struct CallAnswer {
    /// The value or the handle.
    #[schemars(flatten)]
    pub response: CallResponse,
    /// What `fetch` brings of the object, where the request asked for data.
    #[schemars(default)]
    pub data: Option<DataDescriptor>,
}

/// A module, which stays in the session.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct ImportAnswer {
    /// Its handle.
    pub handle_id: String,
    /// Its name, as the request has it.
    pub module_name: String,
    /// `module`.
    pub type_name: String,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// An object that stays in the session.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct HandleAnswer {
    /// Its handle.
    pub handle_id: String,
    /// The `__name__` of its type.
    pub type_name: String,
    /// The module of its type, unless that is `builtins`.
    #[schemars(default)]
    pub type_module: Option<String>,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// It is done.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct SuccessAnswer {
    /// Always true; a failure is an error.
    pub success: bool,
    /// The session's epoch, of an operation in a session.
    #[schemars(default)]
    pub session_epoch: Option<u64>,
    /// What the code of a property or of an object's end wrote to standard output.
    #[schemars(default)]
    pub stdout: String,
    /// What it wrote to standard error.
    #[schemars(default)]
    pub stderr: String,
    /// How many bytes of the output were left out. Absent if none were.
    #[schemars(default)]
    pub omitted_output_bytes: u64,
}

/// The objects are released.
#[derive(Debug, JsonSchema)]
pub struct DisposeAnswer {
    /// Always true; a failure is an error.
    pub success: bool,
    /// How many of the handles the session held, where the request named several.
    #[schemars(default)]
    pub disposed: Option<u64>,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// The leases begin anew.
#[derive(Debug, JsonSchema)]
pub struct RenewAnswer {
    /// Always true; a failure is an error.
    pub success: bool,
    /// How many of the handles the session held, where the request named several.
    #[schemars(default)]
    pub renewed: Option<u64>,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// How many items an object has.
#[derive(Debug, JsonSchema)]
pub struct LengthAnswer {
    /// Its length.
    pub value: u64,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// Whether an object contains the item.
#[derive(Debug, JsonSchema)]
pub struct ContainsAnswer {
    /// Whether it does.
    pub value: bool,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// The names of an object's attributes.
#[derive(Debug, JsonSchema)]
pub struct DirAnswer {
    /// The names.
    pub value: Vec<String>,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// Whether a module can be found.
#[derive(Debug, JsonSchema)]
pub struct ModuleAnswer {
    /// Whether it can.
    pub available: bool,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// What can be known of an object without calling it.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct DescribeAnswer {
    /// The `__name__` of its type.
    pub type_name: String,
    /// The module of its type, unless that is `builtins`.
    #[schemars(default)]
    pub type_module: Option<String>,
    /// Its shape, if it has one.
    #[schemars(default)]
    pub shape: Option<Vec<u64>>,
    /// The type of its elements, if it has one.
    #[schemars(default)]
    pub dtype: Option<String>,
    /// Its `repr`, shortened.
    pub repr: String,
    /// Whether it can be called.
    pub callable: bool,
    /// Its documentation.
    #[schemars(default)]
    pub doc: Option<String>,
    /// Its length, if it has one.
    #[schemars(default)]
    pub length: Option<u64>,
    /// How it is called: `(a: int, b: int = 2) -> int`.
    #[schemars(default)]
    pub signature: Option<String>,
    /// A JSON Schema of its parameters as an object.
    #[schemars(default)]
    pub parameters: Option<BTreeMap<String, Value>>,
    /// A JSON Schema of its result.
    #[schemars(default)]
    pub result: Option<BTreeMap<String, Value>>,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// What became of the steps of a batch, in their order.
#[derive(Debug, JsonSchema)]
pub struct BatchAnswer {
    /// The result of each step.
    pub results: Vec<StepResult>,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// What a step answers as an operation; nothing where a later step refers to it; why it failed; or that it was skipped.
#[derive(Debug, JsonSchema)]
pub struct StepResult {
    /// Why it failed.
    #[schemars(default)]
    pub error: Option<StepError>,
    /// Whether it did not run, since an earlier one failed.
    #[schemars(default)]
    pub skipped: bool,
    /// The keys of the operation's answer.
    #[schemars(flatten)]
    pub answer: BTreeMap<String, Value>,
}

/// Why a step failed.
#[derive(Debug, JsonSchema)]
pub struct StepError {
    /// The stable code.
    pub code: ErrorCode,
    /// What failed, on what, and why.
    pub detail: String,
    /// The exception, if Python raised one.
    #[schemars(default)]
    pub exception: Option<PythonException>,
}

/// What was made of the data: under the name that the request gave, or for a handle.
#[derive(Debug, JsonSchema)]
#[schemars(
    rename_all = "camelCase",
    extend("oneOf" = [{ "required": ["success", "name"] }, { "required": ["isHandle", "handleId"] }])
)]
pub struct PutAnswer {
    /// True where it has a name; a failure is an error.
    #[schemars(default)]
    pub success: bool,
    /// The name in the session.
    #[schemars(default)]
    pub name: String,
    /// True where it has a handle.
    #[schemars(default)]
    pub is_handle: bool,
    /// The handle.
    #[schemars(default)]
    pub handle_id: String,
    /// The `__name__` of its type.
    pub type_name: String,
    /// The module of its type, unless that is `builtins`.
    #[schemars(default)]
    pub type_module: Option<String>,
    /// Its shape, if it has one.
    #[schemars(default)]
    pub shape: Option<Vec<u64>>,
    /// The type of its elements, if it has one.
    #[schemars(default)]
    pub dtype: Option<String>,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// The end of a batch of items of a stream.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct StreamAnswer {
    /// Whether the stream has ended.
    pub done: bool,
    /// How many items this batch had.
    pub count: u64,
    /// The handle for `next`, unless the stream has ended.
    #[schemars(default)]
    pub handle_id: Option<String>,
    /// The `__name__` of the type of what is iterated over.
    #[schemars(default)]
    pub type_name: Option<String>,
    /// The module of that type, unless it is `builtins`.
    #[schemars(default)]
    pub type_module: Option<String>,
    /// What the generator has returned, unless that is None.
    #[schemars(default)]
    pub returned: Option<CallResponse>,
    /// Output and epoch.
    #[schemars(flatten)]
    pub said: Said,
}

/// The end of a subscription.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct SubscriptionAnswer {
    /// Always true; a failure is an error.
    pub success: bool,
    /// The session's last epoch.
    pub session_epoch: u64,
}

/// A server that answers, and what it is.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct HealthAnswer {
    /// `ok`, or `not_ready` where `detail` says why.
    #[schemars(extend("enum" = ["ok", "not_ready"]))]
    pub status: String,
    /// The version of the server.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The version of its Python.
    pub python: String,
    /// The folder of its environment.
    pub environment: String,
    /// How long it has been there.
    pub uptime_ms: u64,
    /// Why it is not ready.
    #[schemars(default)]
    pub detail: Option<String>,
    /// How many events the log has lost, since it cannot be written.
    #[schemars(default)]
    pub lost_log_events: Option<u64>,
}

/// It is so.
#[derive(Debug, JsonSchema)]
pub struct ProbeAnswer {
    /// `live` or `ready`, as the route asks.
    #[schemars(extend("enum" = ["live", "ready"]))]
    pub status: String,
}

/// A login for a browser.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct LoginAnswer {
    /// The path to open in the browser, once: `/?login=…`.
    pub path: String,
    /// How long it can be opened, in milliseconds.
    pub expires_in_ms: u64,
}

/// A 32-bit float. Infinities are written `1e999` and `-1e999`, which readers of JSON take for infinities; NaN is a text, in the exact form.
#[derive(Debug)]
pub struct Float;

impl JsonSchema for Float {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Float".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "number" }, { "const": "NaN" }],
            "description": "A 32-bit float. Infinities are written 1e999 and -1e999; NaN, for which JSON has no number, is \"NaN\" in the exact form.",
        })
    }
}
