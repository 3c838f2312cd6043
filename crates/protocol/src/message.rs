//! Requests and answers, as JSON objects with keys in camelCase. Unknown keys are ignored, so that either side may be newer.
//!
//! Requests only write themselves: hosts hand a request's bytes on to the session without reading them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::{Value, WorkerDeath};

/// The `returnType` with which a client says that it wants a handle, even where the result could be sent as a value.
pub const RETURN_HANDLE: &str = "IPythonObjectHandle";

/// Names with their values, in order: keyword arguments or locals.
pub type NamedValues = [(String, Value)];

/// The body of [`Operation::Evaluate`](crate::Operation::Evaluate).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluateRequest<'a> {
    /// An expression, or statements of which the last may be one.
    pub expression: &'a str,
    /// Names that exist for this call only.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    pub locals: &'a NamedValues,
    /// [`RETURN_HANDLE`] or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
}

/// The body of [`Operation::Import`](crate::Operation::Import) and
/// [`Operation::ModuleAvailable`](crate::Operation::ModuleAvailable).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleRequest<'a> {
    /// The module, dotted.
    pub module_name: &'a str,
}

/// The body of [`Operation::Create`](crate::Operation::Create).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRequest<'a> {
    /// The module's handle.
    pub module_handle_id: &'a str,
    /// The class or other callable in it.
    pub class_name: &'a str,
    /// Positional arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub args: &'a [Value],
    /// Keyword arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    pub kwargs: &'a NamedValues,
}

/// The body of [`Operation::Call`](crate::Operation::Call).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The method.
    pub method_name: &'a str,
    /// Positional arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub args: &'a [Value],
    /// Keyword arguments.
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_object")]
    pub kwargs: &'a NamedValues,
    /// [`RETURN_HANDLE`] or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
}

/// The body of [`Operation::GetAttribute`](crate::Operation::GetAttribute).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetAttributeRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The attribute.
    pub attribute_name: &'a str,
    /// [`RETURN_HANDLE`] or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_type: Option<&'a str>,
}

/// The body of [`Operation::SetAttribute`](crate::Operation::SetAttribute).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetAttributeRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
    /// The attribute.
    pub attribute_name: &'a str,
    /// What it is set to.
    pub value: &'a Value,
}

/// The body of [`Operation::ToFloatArray`](crate::Operation::ToFloatArray),
/// [`Operation::ToFloatArray2D`](crate::Operation::ToFloatArray2D) and, for one handle,
/// [`Operation::Dispose`](crate::Operation::Dispose) and [`Operation::Renew`](crate::Operation::Renew).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandleRequest<'a> {
    /// The object's handle.
    pub handle_id: &'a str,
}

/// The body of [`Operation::Dispose`](crate::Operation::Dispose) for several handles. Ids that the session does not know
/// are passed over.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DisposeRequest<'a> {
    /// The handles.
    pub handle_ids: &'a [String],
}

/// The body of [`Operation::Wrap`](crate::Operation::Wrap).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WrapRequest<'a> {
    /// What the session is to keep.
    pub value: &'a Value,
}

/// The body of [`Operation::Answer`](crate::Operation::Answer): one of the last three.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerRequest<'a> {
    /// The question, as its event names it.
    pub question_id: &'a str,
    /// What `input()` or the callback returns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<&'a Value>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    /// Whether there is no more input.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub eof: bool,
}

/// What an operation answers that has a value or a handle for its result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CallResponse {
    /// The result in the exact form, unless it is a handle.
    #[serde(skip_serializing_if = "Value::is_none")]
    pub value: Value,
    /// Whether the result stayed in the session. Import, create and wrap leave it out: theirs always does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_handle: bool,
    /// Under which handle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle_id: Option<String>,
    /// The type of the object: `numpy.ndarray`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Its `repr`, shortened, where that did not fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repr: Option<String>,
    /// Its shape, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
    /// The type of its elements, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// What the call wrote to standard output. Absent when it wrote nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// What the call wrote to standard error. Absent when it wrote nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// The session's epoch: 1 at first, one more after each restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_epoch: Option<u64>,
}

/// The answer of [`Operation::ModuleAvailable`](crate::Operation::ModuleAvailable).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleAvailableResponse {
    /// Whether the module could be imported.
    pub available: bool,
}

/// The answer of `GET /health`. A host may say more than this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// `ok` when the host takes calls.
    pub status: String,
    /// What else it said.
    #[serde(flatten)]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// The body of `POST /api/cancel`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelRequest {
    /// The id that the call's envelope has.
    pub request_id: String,
    /// How long the call may take to stop before its worker is killed, in milliseconds; the call's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
}

/// The answer of `POST /api/cancel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelResponse {
    /// What became of the call.
    pub outcome: CancelOutcome,
}

/// What a cancel has come to; of several calls, the last of these words that holds for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelOutcome {
    /// No call under way has this id: it is over, or has not arrived.
    NotFound,
    /// The call came to its own end before it could be stopped.
    Finished,
    /// The call had not started; nothing of it ran.
    NotStarted,
    /// The call was interrupted; the session and what it holds are kept.
    StateKept,
    /// The call's worker was killed; its session was restarted empty.
    StateLost,
}

impl CancelOutcome {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            CancelOutcome::NotFound => "not_found",
            CancelOutcome::Finished => "finished",
            CancelOutcome::NotStarted => "not_started",
            CancelOutcome::StateKept => "state_kept",
            CancelOutcome::StateLost => "state_lost",
        }
    }
}

/// The answer of `POST /api/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionCreated {
    /// The session, as calls name it.
    pub session_id: String,
}

/// The answer of `GET /api/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionList {
    /// All sessions.
    pub sessions: Vec<SessionInfo>,
}

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// The session, as calls name it.
    pub session_id: String,
    /// Its epoch: 1 at first, one more after each restart. 0 while it has not been used.
    #[serde(default)]
    pub session_epoch: u64,
    /// Its worker process, while there is one.
    #[serde(default)]
    pub pid: Option<i32>,
    /// How many calls have no answer yet.
    #[serde(default)]
    pub calls: u64,
    /// The folder of its environment.
    #[serde(default)]
    pub environment: String,
    /// The version of its Python.
    #[serde(default)]
    pub python: Option<String>,
    /// What its client calls it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// For how long no call has been under way, in milliseconds; absent while one is.
    #[serde(default)]
    pub idle_ms: Option<u64>,
    /// The resident memory of its worker.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Whether it has lost its state, once at least.
    #[serde(default)]
    pub restarted: bool,
    /// How its last worker ended, where it was restarted.
    #[serde(default)]
    pub last_death: Option<WorkerDeath>,
}

/// The answer of `POST /api/sessions/{sessionId}/restart`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRestarted {
    /// Always true; a failure is an error answer.
    pub success: bool,
    /// The epoch that began.
    pub session_epoch: u64,
}

/// The body of `POST /api/venv/create`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateEnvironmentRequest {
    /// Whose environment it is.
    pub provider_name: String,
    /// A model with an environment of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
}

/// The answer of `POST /api/venv/create`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentCreated {
    /// The environment's folder on the host.
    pub path: String,
    /// Always true; a failure is an error answer.
    pub success: bool,
}

/// The body of `POST /api/venv/status` and `POST /api/venv/delete`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnvironmentRequest {
    /// The environment.
    pub name: String,
}

/// The answer of `GET /api/venv/list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentList {
    /// All environments, by name.
    pub environments: Vec<EnvironmentInfo>,
}

/// What is known of an environment: an item of the list, and the answer of `POST /api/venv/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvironmentInfo {
    /// Its name.
    pub name: String,
    /// Its folder on the host.
    pub path: String,
    /// `healthy`, or what is wrong with it: `not_ours`, `interpreter_gone`, `interpreter_changed`,
    /// `does_not_run`, `packages_damaged`.
    pub state: String,
    /// Why it is not healthy, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who made it, and with what; absent when it is not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<EnvironmentOrigin>,
    /// What is installed in it, by name.
    pub packages: Vec<InstalledPackage>,
    /// What its files take on the disk; only `status` looks.
    #[serde(alias = "size_bytes", skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// Who made an environment, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvironmentOrigin {
    /// The version of its Python: `3.12.1`.
    pub python: String,
    /// The executable that it was made with.
    pub interpreter: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Whose it is, where it was made for a provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// For which model, where it was made for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// The body of `POST /api/venv/install`. The environment can also be named by `providerName` and `modelId`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstallPackagesRequest {
    /// The environment.
    pub name: String,
    /// What is wanted, each as PEP 508 writes it: `numpy>=2`.
    pub packages: Vec<String>,
}

/// The answer of `POST /api/venv/install`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackagesInstalled {
    /// Always true; a failure is an error answer.
    pub success: bool,
    /// The packages that were asked for, as they are now.
    pub installed: Vec<InstalledPackage>,
    /// What was installed or replaced by this request, with what the packages require; empty when all was there.
    #[serde(default)]
    pub changed: Vec<InstalledPackage>,
}

/// A package in an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledPackage {
    /// Its name, as it writes it itself.
    pub name: String,
    /// Its version.
    pub version: String,
}

fn as_object<S: Serializer>(pairs: &&NamedValues, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}
