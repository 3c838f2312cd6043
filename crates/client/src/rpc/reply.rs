//! Replies: from messages to the JSON that all transports return.

use std::collections::BTreeMap;

use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::grpc::messages::call_method_response::Result as Returned;
use beep_python_protocol::grpc::messages::evaluate_response::Result as Evaluated;
use beep_python_protocol::grpc::{FrameError, decode};
use beep_python_protocol::message::{
    CallResponse, EnvironmentCreated, EnvironmentInfo, EnvironmentList, EnvironmentOrigin, InstalledPackage,
    ModuleAvailableResponse, PackagesInstalled, SessionCreated, SessionInfo, SessionList, SessionRestarted,
};
use beep_python_protocol::{HostOperation, Operation};
use bytes::Bytes;
use prost::Message;
use serde::Serialize;
use serde_json::json;

use crate::call::{Reply, Target};
use crate::error::Error;

/// `ToFloatArrayResponse`, whose packed floats are these bytes.
#[derive(Clone, PartialEq, Message)]
struct Floats {
    #[prost(bytes = "bytes", tag = "1")]
    data: Bytes,
}

/// Reads a framed message.
pub(super) fn reply(target: Target, body: &Bytes) -> Result<Reply, Error> {
    match target {
        Target::Session(operation) => session(operation, body),
        Target::Host(operation) => host(operation, body),
    }
}

fn session(operation: Operation, body: &Bytes) -> Result<Reply, Error> {
    match operation {
        Operation::Evaluate => {
            let m::EvaluateResponse { result, stdout, stderr, omitted_output_bytes, session_epoch, outputs_json } =
                read(body)?;
            let outputs = match &outputs_json[..] {
                "" => BTreeMap::new(),
                json => serde_json::from_str(json).map_err(|error| Error::malformed(error.to_string()))?,
            };
            let session_epoch = Some(session_epoch);
            let extras = CallResponse {
                stdout,
                stderr,
                omitted_output_bytes,
                session_epoch,
                outputs,
                ..CallResponse::default()
            };
            match result {
                Some(Evaluated::ValueJson(value)) => with_value(&value, &extras),
                Some(Evaluated::Handle(handle)) => with_handle(handle, extras),
                None => Err(Error::malformed("the answer has neither a value nor a handle")),
            }
        }
        Operation::Call
        | Operation::GetAttribute
        | Operation::GetItem
        | Operation::Length
        | Operation::Contains
        | Operation::Invoke
        | Operation::Dir
        | Operation::Value
        | Operation::Await => {
            // All have the same fields.
            let m::CallMethodResponse { result, stdout, stderr, omitted_output_bytes, session_epoch } = read(body)?;
            let extras = CallResponse {
                stdout,
                stderr,
                omitted_output_bytes,
                session_epoch: Some(session_epoch),
                ..CallResponse::default()
            };
            match result {
                Some(Returned::ValueJson(value)) => with_value(&value, &extras),
                Some(Returned::Handle(handle)) => with_handle(handle, extras),
                None => Err(Error::malformed("the answer has neither a value nor a handle")),
            }
        }
        Operation::Put => {
            let m::PutResponse {
                handle_id,
                type_name,
                shape,
                dtype,
                stdout,
                stderr,
                omitted_output_bytes,
                session_epoch,
                type_module,
            } = read(body)?;
            json(&CallResponse {
                handle_id,
                type_name: Some(type_name),
                type_module,
                shape: shape.map(|shape| shape.sizes),
                dtype,
                stdout,
                stderr,
                omitted_output_bytes,
                session_epoch: Some(session_epoch),
                ..CallResponse::default()
            })
        }
        Operation::Fetch => Err(Error::malformed("one message where a stream of data was expected")),
        Operation::Import | Operation::Create | Operation::Wrap => {
            let m::CreateObjectResponse {
                handle_id,
                type_name,
                stdout,
                stderr,
                omitted_output_bytes,
                session_epoch,
                type_module,
            } = read(body)?;
            json(&CallResponse {
                handle_id: Some(handle_id),
                type_name: Some(type_name),
                type_module,
                stdout,
                stderr,
                omitted_output_bytes,
                session_epoch: Some(session_epoch),
                ..CallResponse::default()
            })
        }
        Operation::Describe => Ok(Reply::Json(read::<m::DescribeResponse>(body)?.description_json.into())),
        Operation::Batch => {
            let results = read::<m::BatchResponse>(body)?.results_json;
            Ok(Reply::Json(format!(r#"{{"results":{results}}}"#).into()))
        }
        Operation::SetAttribute | Operation::SetItem | Operation::DeleteItem | Operation::Answer => {
            json(&json!({ "success": read::<m::SetAttributeResponse>(body)?.success }))
        }
        Operation::Dispose => {
            let m::DisposeHandleResponse { success, disposed, .. } = read(body)?;
            json(&json!({ "success": success, "disposed": disposed }))
        }
        Operation::Renew => {
            let m::RenewHandleResponse { success, renewed, .. } = read(body)?;
            json(&json!({ "success": success, "renewed": renewed }))
        }
        Operation::ModuleAvailable => {
            let available = read::<m::IsModuleAvailableResponse>(body)?.available;
            json(&ModuleAvailableResponse { available })
        }
        Operation::Execute | Operation::Stream | Operation::Next => {
            Err(Error::Unsupported { what: "this operation without its events" })
        }
        Operation::ToFloatArray => Ok(Reply::Floats { data: read::<Floats>(body)?.data, shape: None }),
        Operation::ToFloatArray2D => {
            let rows = read::<m::ToFloatArray2DResponse>(body)?.data;
            Ok(Reply::FloatRows(rows.into_iter().map(|row| row.values).collect()))
        }
    }
}

fn host(operation: HostOperation, body: &Bytes) -> Result<Reply, Error> {
    match operation {
        HostOperation::Health => {
            let m::HealthResponse { status, version, python, environment, pid, uptime_ms } = read(body)?;
            json(&json!({
                "status": status,
                "version": version,
                "pid": pid,
                "python": python,
                "environment": environment,
                "uptimeMs": uptime_ms,
            }))
        }
        HostOperation::Cancel => json(&json!({ "outcome": read::<m::CancelResponse>(body)?.outcome })),
        HostOperation::CreateSession => {
            let session_id = read::<m::CreateSessionResponse>(body)?.session_id;
            json(&SessionCreated { session_id })
        }
        HostOperation::ListSessions => {
            let sessions = read::<m::ListSessionsResponse>(body)?.sessions.into_iter();
            json(&SessionList { sessions: sessions.map(session_info).collect::<Result<_, _>>()? })
        }
        HostOperation::GetSession => json(&session_info(read(body)?)?),
        HostOperation::InspectSession => {
            Ok(Reply::Json(read::<m::InspectSessionResponse>(body)?.inspection_json.into()))
        }
        HostOperation::SessionEvents => Err(Error::Unsupported { what: "this operation without its events" }),
        HostOperation::ListHandles => {
            let handles = read::<m::ListHandlesResponse>(body)?.handles_json;
            Ok(Reply::Json(format!(r#"{{"handles":{handles}}}"#).into()))
        }
        HostOperation::DebugSession => {
            let m::DebugSessionResponse { host, port, debugpy } = read(body)?;
            json(&json!({ "host": host, "port": port, "debugpy": debugpy }))
        }
        HostOperation::InterruptSession => {
            let m::InterruptSessionResponse { outcome, aborted } = read(body)?;
            json(&json!({ "outcome": outcome, "aborted": aborted }))
        }
        HostOperation::RestartSession => {
            let m::RestartSessionResponse { success, session_epoch } = read(body)?;
            json(&SessionRestarted { success, session_epoch })
        }
        HostOperation::DeleteSession => json(&json!({ "success": read::<m::DeleteSessionResponse>(body)?.success })),
        HostOperation::CreateEnvironment => {
            let m::CreateEnvironmentResponse { success, path } = read(body)?;
            json(&EnvironmentCreated { path, success })
        }
        HostOperation::ListEnvironments => {
            let environments = read::<m::ListEnvironmentsResponse>(body)?.environments;
            json(&EnvironmentList { environments: environments.into_iter().map(environment).collect() })
        }
        HostOperation::EnvironmentStatus => json(&environment(read(body)?)),
        HostOperation::DeleteEnvironment => {
            json(&json!({ "success": read::<m::DeleteEnvironmentResponse>(body)?.success }))
        }
        HostOperation::InstallPackages => {
            let m::InstallPackagesResponse { success, installed, changed } = read(body)?;
            json(&PackagesInstalled { success, installed: listed(installed), changed: listed(changed) })
        }
    }
}

fn environment(told: m::Environment) -> EnvironmentInfo {
    let m::Environment { name, path, state, reason, record, packages, size_bytes } = told;
    let record = record.map(|record| EnvironmentOrigin {
        python: record.python,
        interpreter: record.interpreter,
        created: record.created,
        provider: record.provider,
        model: record.model,
    });
    EnvironmentInfo { name, path, state, reason, record, packages: listed(packages), size_bytes }
}

fn listed(packages: Vec<m::Package>) -> Vec<InstalledPackage> {
    packages.into_iter().map(|package| InstalledPackage { name: package.name, version: package.version }).collect()
}

/// The response with the value as it came, unread.
fn with_value(value: &str, extras: &CallResponse) -> Result<Reply, Error> {
    let extras = serde_json::to_vec(extras).map_err(|error| Error::malformed(error.to_string()))?;
    // The object is never empty, because it always has the epoch.
    let mut out = Vec::with_capacity(value.len() + extras.len() + 9);
    out.extend_from_slice(br#"{"value":"#);
    out.extend_from_slice(value.as_bytes());
    out.push(b',');
    out.extend_from_slice(&extras[1..]);
    Ok(Reply::Json(out.into()))
}

fn with_handle(handle: m::HandleResult, extras: CallResponse) -> Result<Reply, Error> {
    json(&CallResponse {
        is_handle: true,
        handle_id: Some(handle.handle_id),
        type_name: Some(handle.type_name),
        type_module: handle.type_module,
        repr: handle.repr,
        shape: handle.shape.map(|shape| shape.sizes),
        dtype: handle.dtype,
        ..extras
    })
}

fn read<M: Message + Default>(body: &Bytes) -> Result<M, Error> {
    decode(body).map_err(|error: FrameError| Error::malformed(error.to_string()))
}

fn json(answer: &impl Serialize) -> Result<Reply, Error> {
    serde_json::to_vec(answer).map(|text| Reply::Json(text.into())).map_err(|error| Error::malformed(error.to_string()))
}

fn session_info(session: m::Session) -> Result<SessionInfo, Error> {
    serde_json::from_str(&session.info_json)
        .map_err(|error| Error::malformed(format!("the description of a session cannot be read: {error}")))
}
