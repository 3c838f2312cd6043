//! Operations of the host itself, carried out here once; over any transport, or without one.

use std::time::Duration;

use beep_python_protocol::message::{CancelRequest, CancelResponse, InstalledPackage, PackagesInstalled};
use beep_python_protocol::{DebugRequest, ErrorCode, HostOperation, Operation, Problem, SessionOptions};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::environment::Package;
use crate::session::call::{CallResult, Request, RequestId};
use crate::session::environment_service::service::EnvironmentService;
use crate::session::manager::manager::SessionManager;
use crate::session::service::debugger::debug;
use crate::session::session::{Session, SessionInfo};

const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// Carries out one operation and answers in JSON. The session that it is about stands in `session`, or in the body.
pub async fn execute_host_operation(
    sessions: &SessionManager,
    operation: HostOperation,
    session: Option<&str>,
    body: &[u8],
) -> Result<Vec<u8>, Problem> {
    let environments = sessions.environments();
    match operation {
        HostOperation::Health => written(&health(sessions)),
        HostOperation::Cancel => written(&cancel(sessions, read(body)?).await),
        HostOperation::CreateSession => {
            let asked = if body.trim_ascii().is_empty() { SessionOptions::default() } else { read(body)? };
            written(&json!({ "sessionId": sessions.create(asked).await?.id() }))
        }
        HostOperation::InspectSession => written(&inspect(&sessions.get(&session_named(session, body)?)?).await),
        HostOperation::ListHandles => {
            let handles = handles(&sessions.get(&session_named(session, body)?)?).await?;
            Ok([br#"{"handles":"#, &handles[..], b"}"].concat())
        }
        HostOperation::DebugSession => {
            let session = sessions.get(&session_named(session, body)?)?;
            let asked = if body.trim_ascii().is_empty() { DebugRequest::default() } else { read(body)? };
            written(&debug(&session, asked.install).await?)
        }
        HostOperation::RestartSession => {
            let epoch = sessions.get(&session_named(session, body)?)?.restart().await?;
            written(&json!({ "success": true, "sessionEpoch": epoch }))
        }
        HostOperation::ListSessions => {
            let list: Vec<_> = sessions.list().iter().map(describe).collect();
            written(&json!({ "sessions": list }))
        }
        HostOperation::GetSession => written(&describe(&sessions.get(&session_named(session, body)?)?.info())),
        HostOperation::DeleteSession => {
            delete_session(sessions, &session_named(session, body)?).await?;
            written(&json!({ "success": true }))
        }
        HostOperation::CreateEnvironment => {
            let named: Named = read(body)?;
            let provider = named.provider_name.ok_or_else(|| invalid("'providerName' must be a string"))?;
            let path = environments.ensure_provider(provider, named.model_id).await?;
            written(&json!({ "path": path, "success": true }))
        }
        HostOperation::ListEnvironments => written(&json!({ "environments": environments.list().await? })),
        HostOperation::EnvironmentStatus => {
            written(&environments.status(read::<Named>(body)?.name(environments).await?).await?)
        }
        HostOperation::InstallPackages => {
            let named: Named = read(body)?;
            let packages = named.packages.clone().ok_or_else(|| invalid("'packages' must be an array of strings"))?;
            let done = environments.install(named.name(environments).await?, packages).await?;
            let (installed, changed) = (listed(done.packages), listed(done.changed));
            written(&PackagesInstalled { success: true, installed, changed })
        }
        HostOperation::DeleteEnvironment => {
            environments.delete(read::<Named>(body)?.name(environments).await?).await?;
            written(&json!({ "success": true }))
        }
    }
}

/// Names an environment: by its own name, or by provider and model. To install, it names packages too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// The environment's own name.
    pub name: Option<String>,
    /// Whose environment it is, where it is not named itself.
    pub provider_name: Option<String>,
    /// For which model.
    pub model_id: Option<String>,
    /// What to install.
    #[serde(default)]
    pub packages: Option<Vec<String>>,
}

fn listed(packages: Vec<Package>) -> Vec<InstalledPackage> {
    packages.into_iter().map(|package| InstalledPackage { name: package.name, version: package.version }).collect()
}

impl Named {
    /// The name that it stands for.
    pub async fn name(self, environments: &EnvironmentService) -> Result<String, Problem> {
        match (self.name, self.provider_name) {
            (Some(name), _) => Ok(name),
            (None, Some(provider)) => environments.provider_name(provider, self.model_id).await,
            (None, None) => Err(invalid("'name' or 'providerName' must be given")),
        }
    }
}

fn health(sessions: &SessionManager) -> Value {
    json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "python": sessions.python_version(),
        "environment": sessions.environments().own(),
        "uptimeMs": sessions.uptime().as_millis() as u64,
    })
}

/// Cancels the calls of an id.
pub async fn cancel(sessions: &SessionManager, request: CancelRequest) -> CancelResponse {
    let CancelRequest { request_id, grace_ms } = request;
    let outcome = sessions.cancel(&RequestId::new(request_id), grace_ms.map(Duration::from_millis)).await;
    CancelResponse { outcome }
}

/// Ends a session; the default one is refused.
pub async fn delete_session(sessions: &SessionManager, id: &str) -> Result<(), Problem> {
    if id == sessions.default_session().id() {
        return Err(invalid("the default session cannot be deleted; stop the server instead"));
    }
    sessions.delete(id, CLOSE_GRACE).await
}

/// Where a session stands, and its threads, even while it is busy.
pub async fn inspect(session: &Session) -> Value {
    let threads = session.stacks().await;
    let mut told = describe(&session.info());
    if let Some(running) = session.running_for() {
        told["runningMs"] = json!(running.as_millis() as u64);
    }
    told["threads"] = json!(threads);
    told
}

/// What a session holds for its clients, as a JSON array. Waits for its turn.
pub async fn handles(session: &Session) -> Result<Bytes, Problem> {
    let body = br#"{"expression":"__import__('beep_python').handles()"}"#;
    match session.call(Request::new(Operation::Evaluate, &body[..])).await.result {
        CallResult::Value(list) => Ok(list.contiguous()),
        CallResult::Problem(problem) => Err(*problem),
        _ => Err(Problem::new(ErrorCode::Internal, "the session's code has replaced what lists its handles")),
    }
}

/// What is known of a session, as JSON.
pub fn describe(info: &SessionInfo) -> Value {
    let SessionInfo { id, epoch, pid, calls, environment, python, labels, idle, last_death, memory_bytes } = info;
    let mut told = json!({
        "sessionId": id,
        "sessionEpoch": epoch,
        "pid": pid,
        "calls": calls,
        "environment": environment,
        "restarted": *epoch > 1,
    });
    let mut add = |name: &str, value: Option<Value>| value.map(|value| told[name] = value);
    add("python", python.as_ref().map(|version| json!(version)));
    add("labels", (!labels.is_empty()).then(|| json!(labels)));
    add("idleMs", idle.map(|idle| json!(idle.as_millis() as u64)));
    add("memoryBytes", memory_bytes.map(|bytes| json!(bytes)));
    add("lastDeath", last_death.as_ref().map(|death| json!(death)));
    told
}

fn session_named(given: Option<&str>, body: &[u8]) -> Result<String, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct SessionNamed {
        session_id: String,
    }
    match given {
        Some(id) => Ok(id.to_owned()),
        None => read::<SessionNamed>(body).map(|named| named.session_id),
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| invalid(format!("the request cannot be read: {error}")))
}

fn written(answer: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(answer)
        .map_err(|error| Problem::new(ErrorCode::Internal, format!("the answer cannot be written: {error}")))
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}
