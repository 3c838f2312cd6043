//! Operations of the host itself, for every transport.

use std::time::Duration;

use beep_python_protocol::message::{
    CancelRequest, CancelResponse, InstalledPackage, InterruptRequest, PackagesInstalled,
};
use beep_python_protocol::{
    CallOption, CallOptions, DebugRequest, ErrorCode, HostOperation, Operation, Problem, SessionOptions,
    from_json_object,
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::environment::Package;
use crate::platform::lost_log_events;
use crate::session::call::{CallResult, Request, RequestId};
use crate::session::environment_service::service::EnvironmentService;
use crate::session::inspect::SessionInfo;
use crate::session::manager::manager::SessionManager;
use crate::session::service::debugger::debug;
use crate::session::session::Session;
use crate::session::session_events::SessionEvents;

/// Executes one operation, and responds in JSON. `session` names the session it is about, else the body does.
pub async fn execute_host_operation(
    sessions: &SessionManager,
    operation: HostOperation,
    session: Option<&str>,
    body: &[u8],
) -> Result<Vec<u8>, Problem> {
    check_begins(sessions, operation)?;
    let environments = sessions.environments();
    match operation {
        HostOperation::Health => to_json(&health(sessions)),
        HostOperation::Cancel => to_json(&cancel(sessions, from_json(body)?).await),
        HostOperation::CreateSession => to_json(&json!({ "sessionId": create_session(sessions, body).await?.id() })),
        HostOperation::InspectSession => to_json(&inspect(&sessions.get(&session_named(session, body)?)?).await),
        HostOperation::SessionEvents => Err(invalid(NEEDS_EVENTS)),
        HostOperation::ListHandles => {
            let handles = handles(&sessions.get(&session_named(session, body)?)?).await?;
            Ok([br#"{"handles":"#, &handles[..], b"}"].concat())
        }
        HostOperation::DebugSession => {
            let session = sessions.get(&session_named(session, body)?)?;
            let DebugRequest { install } = from_json_or_nothing(body)?;
            to_json(&debug(&session, install).await?)
        }
        HostOperation::InterruptSession => {
            let session = sessions.get_until_ended(&session_named(session, body)?)?;
            let asked: InterruptRequest = from_json_or_nothing(body)?;
            to_json(&session.interrupt(asked).await)
        }
        HostOperation::RestartSession => {
            let epoch = sessions.get(&session_named(session, body)?)?.restart().await?;
            to_json(&json!({ "success": true, "sessionEpoch": epoch }))
        }
        HostOperation::ListSessions => {
            let list: Vec<_> = sessions.list().iter().map(session_to_json).collect();
            to_json(&json!({ "sessions": list }))
        }
        HostOperation::GetSession => to_json(&session_to_json(&sessions.get(&session_named(session, body)?)?.info())),
        HostOperation::DeleteSession => {
            delete_session(sessions, &session_named(session, body)?).await?;
            to_json(&json!({ "success": true }))
        }
        HostOperation::CreateEnvironment => {
            let named = environment_named(body)?;
            let provider = named.provider_name.ok_or_else(|| invalid(PROVIDER_KEYS))?;
            let path = environments.ensure_provider(provider, named.model_id).await?;
            to_json(&json!({ "path": path, "success": true }))
        }
        HostOperation::ListEnvironments => to_json(&json!({ "environments": environments.list().await? })),
        HostOperation::EnvironmentStatus => {
            to_json(&environments.status(environment_named(body)?.name(environments).await?).await?)
        }
        HostOperation::InstallPackages => {
            let named = environment_named(body)?;
            let packages = named.packages.clone().ok_or_else(|| invalid("'packages' must be an array of strings"))?;
            let done = environments.install(named.name(environments).await?, packages).await?;
            let (installed, changed) = (to_wire(done.packages), to_wire(done.changed));
            to_json(&PackagesInstalled { success: true, installed, changed })
        }
        HostOperation::DeleteEnvironment => {
            environments.delete(environment_named(body)?.name(environments).await?).await?;
            to_json(&json!({ "success": true }))
        }
    }
}

/// An error for what begins something, once the host stops. What looks at sessions, and what ends them or their calls, goes on.
pub fn check_begins(sessions: &SessionManager, operation: HostOperation) -> Result<(), Problem> {
    match operation {
        HostOperation::CreateSession
        | HostOperation::RestartSession
        | HostOperation::DebugSession
        | HostOperation::CreateEnvironment
        | HostOperation::InstallPackages
        | HostOperation::DeleteEnvironment => sessions.check_not_stopping(),
        _ => Ok(()),
    }
}

/// What a caller is told that takes one answer where there are events.
pub const NEEDS_EVENTS: &str = "this operation has events, and this wire takes one answer here";

/// Subscribes to a session, which `session` names, else the body does. `request_id` names the subscription where the options do not.
pub fn session_events(
    sessions: &SessionManager,
    session: Option<&str>,
    options: &CallOptions,
    request_id: Option<RequestId>,
    body: &[u8],
) -> Result<SessionEvents, Problem> {
    let named = options.request_id.as_deref().map(|id| RequestId::new(Bytes::copy_from_slice(id.as_bytes())));
    let session = sessions.get(&session_named(session, body)?)?;
    session.events(named.or(request_id), options.offered(), options.form())
}

/// Names an environment: by its own name, or by provider and model. A request to install names packages too.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentRef {
    /// The name of the environment.
    pub name: Option<String>,
    /// The provider, where the environment has no name here.
    pub provider_name: Option<String>,
    /// The model of the provider.
    pub model_id: Option<String>,
    /// The packages to install.
    #[serde(default)]
    pub packages: Option<Vec<String>>,
}

/// What an operation on an environment takes.
const ENVIRONMENT_KEYS: &str =
    "'name' must name an environment, or 'providerName' a provider, with 'modelId' for a model that has one of its own";
const PROVIDER_KEYS: &str = "'providerName' must name a provider, for example {\"providerName\": \"huggingface\"}; 'modelId' may name its model";

/// Reads which environment is meant; a body that is none says nothing.
fn environment_named(body: &[u8]) -> Result<EnvironmentRef, Problem> {
    match body.trim_ascii().is_empty() {
        true => Ok(EnvironmentRef::default()),
        false => from_json(body),
    }
}

fn to_wire(packages: Vec<Package>) -> Vec<InstalledPackage> {
    packages.into_iter().map(|package| InstalledPackage { name: package.name, version: package.version }).collect()
}

impl EnvironmentRef {
    /// The name of the environment.
    pub async fn name(self, environments: &EnvironmentService) -> Result<String, Problem> {
        match (self.name, self.provider_name) {
            (Some(name), _) => Ok(name),
            (None, Some(provider)) => environments.provider_name(provider, self.model_id).await,
            (None, None) => Err(invalid(ENVIRONMENT_KEYS)),
        }
    }
}

fn health(sessions: &SessionManager) -> Value {
    let not_ready = sessions.not_ready();
    let mut health = json!({
        "status": if not_ready.is_none() { "ok" } else { "not_ready" },
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "python": sessions.python_version(),
        "environment": sessions.environments().own(),
        "uptimeMs": sessions.uptime().as_millis() as u64,
    });
    if let Some(why) = not_ready {
        health["detail"] = json!(why.detail);
    }
    match lost_log_events() {
        0 => {}
        lost => health["lostLogEvents"] = json!(lost),
    }
    health
}

/// Creates a session with these options, as JSON, and names it in the span of the request.
pub async fn create_session(sessions: &SessionManager, options: &[u8]) -> Result<Session, Problem> {
    let session = sessions.create(session_options(options)?).await?;
    tracing::Span::current().record("session", session.id());
    Ok(session)
}

/// Cancels the calls of a request id.
pub async fn cancel(sessions: &SessionManager, request: CancelRequest) -> CancelResponse {
    let CancelRequest { request_id, grace_ms, once } = request;
    let outcome = match (RequestId::new(request_id), once) {
        (request_id, true) => sessions.press_ctrl_c(&request_id),
        (request_id, false) => sessions.cancel(&request_id, grace_ms.map(Duration::from_millis)).await,
    };
    CancelResponse { outcome }
}

/// Ends a session; an error for the default one.
pub async fn delete_session(sessions: &SessionManager, id: &str) -> Result<(), Problem> {
    if id == sessions.default_session().id() {
        return Err(invalid("the default session cannot be deleted; stop the server instead"));
    }
    sessions.delete(id).await
}

/// The state of a session and the stacks of its threads, even while it is busy.
pub async fn inspect(session: &Session) -> Value {
    let threads = session.stacks().await;
    let mut description = session_to_json(&session.info());
    let waiting = session.waiting();
    if !waiting.is_empty() {
        description["waiting"] = json!(waiting);
    }
    description["threads"] = json!(threads);
    description
}

/// The objects that a session holds for its clients, as a JSON array. Waits for its turn.
pub async fn handles(session: &Session) -> Result<Bytes, Problem> {
    let body = br#"{"expression":"__import__('beep_python').handles()"}"#;
    match session.call(Request::new(Operation::Evaluate, &body[..])).await.result {
        CallResult::Value(list) => Ok(list.contiguous()),
        CallResult::Problem(problem) => Err(*problem),
        _ => Err(Problem::new(ErrorCode::Internal, "the session's code has replaced what lists its handles")),
    }
}

/// The description of a session, as JSON.
pub fn session_to_json(info: &SessionInfo) -> Value {
    let SessionInfo {
        id,
        epoch,
        pid,
        calls,
        answered,
        failed,
        running,
        running_for,
        environment,
        python,
        labels,
        idle,
        last_death,
        memory_bytes,
        cpu,
        stopped,
        idle_timeout,
    } = info;
    let mut description = json!({
        "sessionId": id,
        "sessionEpoch": epoch,
        "pid": pid,
        "calls": calls,
        "answered": answered,
        "failed": failed,
        "environment": environment,
        "restarted": *epoch > 1,
    });
    let mut add = |name: &str, value: Option<Value>| value.map(|value| description[name] = value);
    add("python", python.as_ref().map(|version| json!(version)));
    add("labels", (!labels.is_empty()).then(|| json!(labels)));
    add("idleMs", idle.map(|idle| json!(idle.as_millis() as u64)));
    add("idleTimeoutMs", idle_timeout.map(|time| json!(time.as_millis() as u64)));
    add("running", running.as_ref().map(|call| json!(call)));
    add("runningMs", running_for.map(|time| json!(time.as_millis() as u64)));
    add("cpuMs", cpu.map(|time| json!(time.as_millis() as u64)));
    add("stopped", stopped.then(|| json!(true)));
    add("memoryBytes", memory_bytes.map(|bytes| json!(bytes)));
    add("lastDeath", last_death.as_ref().map(|death| json!(death)));
    description
}

fn session_named(given: Option<&str>, body: &[u8]) -> Result<String, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct SessionNamed {
        session_id: String,
    }
    match given {
        Some(id) => Ok(id.to_owned()),
        // Beside it stand the keys of the operation.
        None => serde_json::from_slice::<SessionNamed>(body)
            .map(|named| named.session_id)
            .map_err(|error| unreadable(&error)),
    }
}

/// Reads the options of a new session. Call options are none of them: they would not hold.
fn session_options(body: &[u8]) -> Result<SessionOptions, Problem> {
    match body.trim_ascii().is_empty() {
        true => Ok(SessionOptions::default()),
        false => SessionOptions::from_json(body).map_err(|error| unreadable(&error)),
    }
}

fn from_json_or_nothing<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.trim_ascii().is_empty() { Ok(T::default()) } else { from_json(body) }
}

/// Where the session is not named by the route, the body names it; and call options may stand beside, as everywhere.
fn stands_beside(key: &str) -> bool {
    key == "sessionId" || CallOption::from_key(key).is_some()
}

fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(invalid("the body must be a JSON object"));
    }
    from_json_object(body, stands_beside).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Problem {
    invalid(format!("the request cannot be read: {error}"))
}

fn to_json(answer: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(answer)
        .map_err(|error| Problem::new(ErrorCode::Internal, format!("the answer cannot be written: {error}")))
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}
