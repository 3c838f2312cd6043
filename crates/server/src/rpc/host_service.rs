//! Operations of the host over gRPC.

use beep_python_protocol::grpc::encode;
use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::message::{
    CancelRequest, CancelResponse, EnvironmentInfo, InterruptRequest, InterruptResponse,
};
use beep_python_protocol::{Debugger, ErrorCode, HostOperation, Problem};
use beep_python_runtime::environment::{EnvironmentStatus, Package};
use beep_python_runtime::session::EnvironmentService;
use beep_python_runtime::session::service::host_operation::{
    EnvironmentRef, NEEDS_EVENTS, cancel, check_begins, create_session, delete_session, handles, inspect,
    session_to_json,
};
use beep_python_runtime::session::service::json::Chunks;
use beep_python_runtime::session::{SessionInfo, debug};
use bytes::Bytes;
use serde_json::json;

use crate::auth::Permissions;
use crate::rpc::request::message;
use crate::server_context::ServerContext;

/// Executes one operation.
pub(super) async fn execute(
    server: &ServerContext,
    permissions: Permissions,
    operation: HostOperation,
    body: &Bytes,
) -> Result<Chunks, Problem> {
    permissions.check_operation(operation)?;
    check_begins(&server.sessions, operation)?;
    let environments = server.sessions.environments();
    let answer = match operation {
        HostOperation::Health => {
            message::<m::HealthRequest>(body)?;
            encode(&health(server))
        }
        HostOperation::Cancel => {
            let m::CancelRequest { request_id, grace_ms, once } = message(body)?;
            let asked = CancelRequest { request_id, grace_ms, once };
            let CancelResponse { outcome } = cancel(&server.sessions, asked).await;
            encode(&m::CancelResponse { outcome: outcome.as_str().to_owned() })
        }
        HostOperation::CreateSession => {
            let m::CreateSessionRequest { options_json } = message(body)?;
            permissions.check_session(options_json.as_bytes())?;
            let session = create_session(&server.sessions, options_json.as_bytes()).await?;
            encode(&m::CreateSessionResponse { session_id: session.id().to_owned() })
        }
        HostOperation::ListSessions => {
            message::<m::ListSessionsRequest>(body)?;
            let sessions = server.sessions.list().into_iter().map(session);
            encode(&m::ListSessionsResponse { sessions: sessions.collect() })
        }
        HostOperation::GetSession => {
            let named: m::GetSessionRequest = message(body)?;
            encode(&session(server.sessions.get(&named.session_id)?.info()))
        }
        HostOperation::InspectSession => {
            let named: m::GetSessionRequest = message(body)?;
            let told = inspect(&server.sessions.get(&named.session_id)?).await;
            encode(&m::InspectSessionResponse { inspection_json: told.to_string() })
        }
        HostOperation::SessionEvents => return Err(Problem::new(ErrorCode::InvalidRequest, NEEDS_EVENTS)),
        HostOperation::ListHandles => {
            let named: m::GetSessionRequest = message(body)?;
            let list = handles(&server.sessions.get(&named.session_id)?).await?;
            encode(&m::ListHandlesResponse { handles_json: String::from_utf8_lossy(&list).into_owned() })
        }
        HostOperation::DebugSession => {
            let m::DebugSessionRequest { session_id, install } = message(body)?;
            permissions.check_debugger(install)?;
            let Debugger { host, port, debugpy } = debug(&server.sessions.get(&session_id)?, install).await?;
            encode(&m::DebugSessionResponse { host, port: port.into(), debugpy })
        }
        HostOperation::InterruptSession => {
            let m::InterruptSessionRequest { session_id, grace_ms, abort_queued, once } = message(body)?;
            let asked = InterruptRequest { grace_ms, abort_queued, once };
            let InterruptResponse { outcome, aborted } =
                server.sessions.get_until_ended(&session_id)?.interrupt(asked).await;
            encode(&m::InterruptSessionResponse { outcome: outcome.as_str().to_owned(), aborted })
        }
        HostOperation::RestartSession => {
            let named: m::RestartSessionRequest = message(body)?;
            let session_epoch = server.sessions.get(&named.session_id)?.restart().await?;
            encode(&m::RestartSessionResponse { success: true, session_epoch })
        }
        HostOperation::DeleteSession => {
            delete_session(&server.sessions, &message::<m::DeleteSessionRequest>(body)?.session_id).await?;
            encode(&m::DeleteSessionResponse { success: true })
        }
        HostOperation::CreateEnvironment => {
            let m::CreateEnvironmentRequest { provider_name, model_id } = message(body)?;
            let path = environments.ensure_provider(provider_name, model_id).await?;
            encode(&m::CreateEnvironmentResponse { success: true, path: path.to_string_lossy().into_owned() })
        }
        HostOperation::ListEnvironments => {
            message::<m::ListEnvironmentsRequest>(body)?;
            let list = environments.list().await?;
            let environments = list.iter().map(environment).collect::<Result<_, _>>()?;
            encode(&m::ListEnvironmentsResponse { environments })
        }
        HostOperation::EnvironmentStatus => {
            let name = name(environments, permissions, message(body)?).await?;
            encode(&environment(&environments.status(name).await?)?)
        }
        HostOperation::DeleteEnvironment => {
            environments.delete(name(environments, permissions, message(body)?).await?).await?;
            encode(&m::DeleteEnvironmentResponse { success: true })
        }
        HostOperation::InstallPackages => {
            let m::InstallPackagesRequest { name: named, provider_name, model_id, packages } = message(body)?;
            permissions.check_environment(None, &packages)?;
            let named = m::EnvironmentRequest { name: named, provider_name, model_id };
            let named = name(environments, permissions, named).await?;
            let done = environments.install(named, packages).await?;
            let (installed, changed) = (listed(done.packages), listed(done.changed));
            encode(&m::InstallPackagesResponse { success: true, installed, changed })
        }
    };
    Ok(Chunks::one(answer))
}

/// What a request is about, as JSON with the keys of the other wires, for the audit.
pub(super) fn about(operation: HostOperation, body: &Bytes) -> Vec<u8> {
    let session = |session_id: String| json!({ "sessionId": session_id });
    let environment = |named: m::EnvironmentRequest| {
        let m::EnvironmentRequest { name, provider_name, model_id } = named;
        json!({ "name": name, "providerName": provider_name, "modelId": model_id })
    };
    let told = match operation {
        HostOperation::Health | HostOperation::ListSessions | HostOperation::ListEnvironments => return Vec::new(),
        HostOperation::Cancel => {
            message(body).map(|m::CancelRequest { request_id, .. }| json!({ "requestId": request_id }))
        }
        HostOperation::CreateSession => match message(body) {
            Ok(m::CreateSessionRequest { options_json }) => return options_json.into_bytes(),
            Err(problem) => Err(problem),
        },
        HostOperation::GetSession
        | HostOperation::InspectSession
        | HostOperation::SessionEvents
        | HostOperation::ListHandles => message(body).map(|m::GetSessionRequest { session_id }| session(session_id)),
        HostOperation::DebugSession => message(body).map(|m::DebugSessionRequest { session_id, .. }| session(session_id)),
        HostOperation::InterruptSession => {
            message(body).map(|m::InterruptSessionRequest { session_id, .. }| session(session_id))
        }
        HostOperation::RestartSession => message(body).map(|m::RestartSessionRequest { session_id }| session(session_id)),
        HostOperation::DeleteSession => message(body).map(|m::DeleteSessionRequest { session_id }| session(session_id)),
        HostOperation::CreateEnvironment => message(body).map(|m::CreateEnvironmentRequest { provider_name, model_id }| {
            json!({ "providerName": provider_name, "modelId": model_id })
        }),
        HostOperation::EnvironmentStatus | HostOperation::DeleteEnvironment => message(body).map(environment),
        HostOperation::InstallPackages => message(body).map(|asked| {
            let m::InstallPackagesRequest { name, provider_name, model_id, packages } = asked;
            json!({ "name": name, "providerName": provider_name, "modelId": model_id, "packages": packages })
        }),
    };
    // What cannot be read is refused with its reason.
    told.map_or_else(|_| Vec::new(), |told| told.to_string().into_bytes())
}

fn health(server: &ServerContext) -> m::HealthResponse {
    m::HealthResponse {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        python: server.sessions.python_version().to_owned(),
        environment: server.sessions.environments().own().to_string_lossy().into_owned(),
        pid: std::process::id(),
        uptime_ms: server.sessions.uptime().as_millis() as u64,
    }
}

fn session(info: SessionInfo) -> m::Session {
    let info_json = session_to_json(&info).to_string();
    m::Session { session_id: info.id, session_epoch: info.epoch, pid: info.pid, calls: info.calls as u64, info_json }
}

async fn name(
    environments: &EnvironmentService,
    permissions: Permissions,
    request: m::EnvironmentRequest,
) -> Result<String, Problem> {
    let m::EnvironmentRequest { name, provider_name, model_id } = request;
    permissions.check_environment(name.as_deref(), &[])?;
    EnvironmentRef { name, provider_name, model_id, packages: None }.name(environments).await
}

fn listed(packages: Vec<Package>) -> Vec<m::Package> {
    packages.into_iter().map(|package| m::Package { name: package.name, version: package.version }).collect()
}

/// Converts through the JSON of other wires, so that the states have the same words.
fn environment(status: &EnvironmentStatus) -> Result<m::Environment, Problem> {
    let told = serde_json::to_value(status).and_then(serde_json::from_value::<EnvironmentInfo>);
    let EnvironmentInfo { name, path, state, reason, record, packages, size_bytes } = told
        .map_err(|error| Problem::new(ErrorCode::Internal, format!("the environment cannot be described: {error}")))?;
    Ok(m::Environment {
        name,
        path,
        state,
        reason,
        record: record.map(|origin| m::EnvironmentOrigin {
            python: origin.python,
            interpreter: origin.interpreter,
            created: origin.created,
            provider: origin.provider,
            model: origin.model,
        }),
        packages: packages.into_iter().map(|p| m::Package { name: p.name, version: p.version }).collect(),
        size_bytes,
    })
}
