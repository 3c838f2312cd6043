//! Events, as lines: each an object that names its event.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::message::{CallResponse, Display, LogRecord, Progress, SessionEpoch};
use crate::problem::Problem;
use crate::value::kinds::Value;

/// A line of `application/x-ndjson`. Among server-sent events the name stands behind `event:`, and the object without it behind `data:`.
/// The last event is `result` or `error`. Clients skip events whose name they do not know.
#[derive(Debug, JsonSchema)]
#[schemars(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The code wrote to standard output.
    Stdout(Output),
    /// The code wrote to standard error.
    Stderr(Output),
    /// The code displayed an object.
    Display(Display),
    /// The code cleared what it had shown.
    ClearOutput(ClearOutput),
    /// A log record, with the capability `log`.
    Log(LogRecord),
    /// How far the code is, with the capability `progress`.
    Progress(Progress),
    /// An item of a stream: a value or a handle.
    Item(Item),
    /// The session has this epoch from now on; among the events of a session only.
    Session(SessionEpoch),
    /// `input()` waits for a line, with the capability `stdin`.
    InputRequest(InputRequest),
    /// A callback waits for its result, with the capability `callbacks`.
    Callback(Callback),
    /// The answer of the operation.
    Result(Answer),
    /// What failed.
    Error(Box<Problem>),
}

/// What the operation answers without events, but for its output.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Answer {
    /// The session's epoch.
    pub session_epoch: u64,
    /// The keys of the operation's answer.
    #[schemars(flatten)]
    pub answer: BTreeMap<String, Value>,
}

/// Output: `text`; or `base64` for bytes that are no UTF-8, with the capability `rawOutput`.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", extend("oneOf" = [{ "required": ["text"] }, { "required": ["base64"] }]))]
pub struct Output {
    /// What was written.
    #[schemars(default)]
    pub text: String,
    /// What was written, as padded standard base64.
    #[schemars(default)]
    pub base64: String,
    /// How many bytes were left out, since nothing read them in time.
    #[schemars(default)]
    pub omitted_bytes: u64,
}

/// What was shown is to be cleared.
#[derive(Debug, JsonSchema)]
pub struct ClearOutput {
    /// Not before something else is shown.
    pub wait: bool,
}

/// An item of a stream: a value or a handle.
#[derive(Debug, JsonSchema)]
#[schemars(extend("anyOf" = [{ "required": ["value"] }, { "required": ["handleId"] }]))]
pub struct Item {
    /// The value, or the keys of a handle.
    #[schemars(flatten)]
    pub item: CallResponse,
}

/// A line is asked for. The operation `answer` gives it.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct InputRequest {
    /// The id that the answer names.
    pub question_id: String,
    /// The prompt to show.
    #[schemars(default)]
    pub prompt: String,
    /// Whether the line is a password, which is not to be shown.
    #[schemars(default)]
    pub password: bool,
}

/// A callback is called. The operation `answer` gives its result.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Callback {
    /// The id that the answer and nested calls name.
    pub question_id: String,
    /// The name that the client gave it.
    pub name: String,
    /// Whether calls can be nested in it.
    pub nested: bool,
    /// Positional arguments, each a value or a handle.
    pub args: Vec<Item>,
    /// Keyword arguments, each a value or a handle.
    pub kwargs: BTreeMap<String, Item>,
}
