//! Bodies of requests that take more than the clients of this repository send, or whose type here is another wire's.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::message::{DisposeRequest, HandleRequest, StreamRequest};
use crate::operation::Operation;
use crate::value::kinds::Value;

/// What can be a step of a batch.
const STEPS: [Operation; 20] = [
    Operation::Evaluate,
    Operation::Import,
    Operation::Create,
    Operation::Call,
    Operation::GetAttribute,
    Operation::SetAttribute,
    Operation::Dispose,
    Operation::ModuleAvailable,
    Operation::Wrap,
    Operation::Renew,
    Operation::GetItem,
    Operation::SetItem,
    Operation::DeleteItem,
    Operation::Length,
    Operation::Contains,
    Operation::Invoke,
    Operation::Dir,
    Operation::Describe,
    Operation::Value,
    Operation::Await,
];

/// One handle, or several.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum HandlesBody<'a> {
    /// One, which the session must hold.
    One(HandleRequest<'a>),
    /// Several. Ids that the session does not hold are skipped.
    Several(DisposeRequest<'a>),
}

/// What is iterated over: the value of an expression, an object, or what a method of it returns.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", extend("anyOf" = [{ "required": ["expression"] }, { "required": ["handleId"] }]))]
pub struct StreamBody<'a> {
    /// The expression or the object.
    #[schemars(flatten)]
    pub of: StreamRequest<'a>,
    /// The method of the object whose result is iterated over.
    #[schemars(default)]
    pub method_name: Option<&'a str>,
    /// Positional arguments of the method.
    #[schemars(default)]
    pub args: Option<Vec<Value>>,
    /// Keyword arguments of the method.
    #[schemars(default)]
    pub kwargs: Option<BTreeMap<String, Value>>,
    /// How many items are wanted at most; `next` brings further ones. Without it all come.
    #[schemars(default)]
    pub credit: Option<u64>,
}

/// Which stream is to go on.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct NextBody<'a> {
    /// The handle that the stream answered with.
    pub handle_id: &'a str,
    /// How many items are wanted at most. Without it all come.
    #[schemars(default)]
    pub credit: Option<u64>,
}

/// The answer to a question of the code: its id, and one of the other three.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct AnswerBody<'a> {
    /// The id of the question, from its event.
    pub question_id: &'a str,
    /// The line for `input()`, or the result of the callback.
    #[schemars(default)]
    pub value: Option<Value>,
    /// Why the callback failed.
    #[schemars(default)]
    pub error: Option<CallbackFailure>,
    /// Whether there are no more lines: `input()` raises `EOFError`.
    #[schemars(default)]
    pub eof: Option<bool>,
}

/// What a callback raises in the code.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum CallbackFailure {
    /// A `beep_python.CallbackError` with this message.
    Message(String),
    /// One that is an exception of Python's own as well.
    Typed {
        /// The name of the exception: `FileNotFoundError`.
        #[schemars(rename = "type")]
        kind: String,
        /// The message.
        #[schemars(default)]
        message: Option<String>,
    },
}

/// Operations that run one after the other.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct BatchBody {
    /// The steps.
    pub steps: Vec<BatchStep>,
    /// Whether the rest is skipped after a failure; true if absent.
    #[schemars(default)]
    pub stop_on_error: Option<bool>,
}

/// One operation, with the fields of its body. In place of a value or a handle's id, `{"$result": 0}` stands for the result of an earlier
/// step.
#[derive(Debug, JsonSchema)]
pub struct BatchStep {
    /// The operation.
    #[schemars(schema_with = "step_operation")]
    pub operation: String,
    /// Whether the handle of its result is kept although a later step refers to it.
    #[schemars(default)]
    pub keep: Option<bool>,
    /// The fields of the operation's body.
    #[schemars(flatten)]
    pub fields: BTreeMap<String, Value>,
}

fn step_operation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": STEPS.map(Operation::pipe_command) })
}

/// One of the two names an environment, and is not null.
fn named() -> serde_json::Value {
    let one = |key: &str| serde_json::json!({ "required": [key], "properties": { key: { "type": "string" } } });
    ["name", "providerName"].map(one).to_vec().into()
}

/// An environment: by its name, or by the provider whose it is.
#[derive(Debug, JsonSchema)]
#[schemars(
    rename_all = "camelCase",
    deny_unknown_fields,
    extend("anyOf" = named())
)]
pub struct EnvironmentBody<'a> {
    /// The name of the environment.
    #[schemars(default)]
    pub name: Option<&'a str>,
    /// The provider.
    #[schemars(default)]
    pub provider_name: Option<&'a str>,
    /// The model, if it has an environment of its own.
    #[schemars(default)]
    pub model_id: Option<&'a str>,
}

/// A provider, and its model if that has an environment of its own.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateEnvironmentBody<'a> {
    /// The provider.
    #[schemars(length(min = 1))]
    pub provider_name: &'a str,
    /// The model.
    #[schemars(default)]
    pub model_id: Option<&'a str>,
}

/// An environment as elsewhere, and what it is to have.
#[derive(Debug, JsonSchema)]
#[schemars(
    rename_all = "camelCase",
    deny_unknown_fields,
    extend("anyOf" = named())
)]
pub struct InstallBody<'a> {
    /// The name of the environment.
    #[schemars(default)]
    pub name: Option<&'a str>,
    /// The provider.
    #[schemars(default)]
    pub provider_name: Option<&'a str>,
    /// The model, if it has an environment of its own.
    #[schemars(default)]
    pub model_id: Option<&'a str>,
    /// The wanted packages as PEP 508 requirements: `numpy>=2`.
    pub packages: Vec<String>,
}
