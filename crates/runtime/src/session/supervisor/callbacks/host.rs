//! Calls from Python to this host, on the worker's second pair of pipes: Python code manages environments through the
//! same Rust classes as clients do.

use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::Semaphore;

use crate::environment::ProgressSink;
use crate::session::environment_service::service::EnvironmentService;
use crate::session::shared::SessionInner;
use crate::session::supervisor::callbacks::client::{ClientCall, carry_out_client_call, client_reply};
use crate::session::supervisor::callbacks::message::{HostCall, HostCallOptions};
use crate::session::supervisor::reader::end_worker;
use crate::session::supervisor::stdio::StdioPump;
use crate::worker::frame::{Decoder, FrameError};
use crate::worker::wire::{HostMessage, WireId, WorkerMessage};
use crate::worker::write_queue::WriteQueue;

/// How many calls of one worker are in progress at once; further ones wait in the pipe.
const MAX_CONCURRENT_CALLS: usize = 64;
const READ_BYTES: usize = 64 << 10;
const MAX_CALL_BYTES: usize = 64 << 20;

/// Answers the calls of one worker until it closes its end, or breaks the rules of the wire, which ends it.
pub(crate) async fn serve_host_calls(
    (mut calls, mut answers): (pipe::Receiver, pipe::Sender),
    queue: Arc<WriteQueue>,
    inner: Arc<SessionInner>,
    stdio: Arc<StdioPump>,
) {
    let writing = async { drop(queue.write_to(&mut answers, || {}).await) };
    tokio::select! {
        () = writing => {}
        () = read_host_calls(&mut calls, &queue, &inner, &stdio) => {}
    }
}

async fn read_host_calls(calls: &mut pipe::Receiver, queue: &Arc<WriteQueue>, inner: &SessionInner, stdio: &StdioPump) {
    let places = Arc::new(Semaphore::new(MAX_CONCURRENT_CALLS));
    let mut decoder = Decoder::with_limit(MAX_CALL_BYTES);
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        let Ok(1..) = calls.read_buf(&mut buffer).await else { return };
        loop {
            let message = match decoder.next(&mut buffer) {
                Ok(Some(message)) => WorkerMessage::decode(message),
                Ok(None) => break,
                Err(error) => return end_worker(inner, stdio, &error),
            };
            match message {
                WorkerMessage::HostCall { id, body } => start_call(id, body, queue, inner, &places).await,
                WorkerMessage::ClientCall { id, of, body } => start_client_call(id, of, &body, queue, inner, stdio),
                WorkerMessage::Output { of, stderr, bytes } => stdio.take(inner, of, stderr, &bytes),
                WorkerMessage::Debugger { body } => drop(inner.debugger.send(body)), // nobody may wait for it any more
                WorkerMessage::Withdraw { id } => inner.update(|state, _, _| state.withdraw_client_request(id)),
                _ => return end_worker(inner, stdio, &FrameError::Misplaced),
            }
        }
    }
}

/// Starts one call; waits while as many as may be are in progress.
async fn start_call(id: u64, body: Bytes, queue: &Arc<WriteQueue>, inner: &SessionInner, places: &Arc<Semaphore>) {
    let Ok(place) = places.clone().acquire_owned().await else { return };
    let (queue, service) = (queue.clone(), inner.config.environments.clone());
    tokio::spawn(async move {
        let result = run_host_call(service, id, &body, &queue).await;
        push_result(&queue, id, result.map(|value| value.to_string().into()));
        drop(place);
    });
}

fn start_client_call(
    id: u64,
    of: WireId,
    body: &Bytes,
    queue: &Arc<WriteQueue>,
    inner: &SessionInner,
    stdio: &StdioPump,
) {
    match carry_out_client_call(inner, stdio, id, of, body) {
        ClientCall::Done(result) => push_result(queue, id, result),
        ClientCall::Asked(reply) => {
            let queue = queue.clone();
            tokio::spawn(async move { push_result(&queue, id, client_reply(reply).await) });
        }
    }
}

fn push_result(queue: &WriteQueue, id: u64, result: Result<Bytes, Problem>) {
    let message = match result {
        Ok(body) => HostMessage::HostResult { id, body },
        Err(problem) => {
            let body = json!({ "code": problem.code, "detail": problem.detail }).to_string().into();
            HostMessage::HostError { id, body }
        }
    };
    queue.push(|out| message.encode(out));
}

/// Carries out a call, and reports its progress where Python wants to hear of it.
async fn run_host_call(
    service: EnvironmentService,
    id: u64,
    body: &Bytes,
    queue: &Arc<WriteQueue>,
) -> Result<Value, Problem> {
    let unreadable = |error| invalid(format!("the call to the host cannot be read: {error}"));
    let call: HostCall = serde_json::from_slice(body).map_err(unreadable)?;
    let HostCallOptions { progress } = serde_json::from_slice(body).map_err(unreadable)?;
    if !progress {
        return execute(service, call).await;
    }
    let queue = queue.clone();
    let sink = ProgressSink::new(move |progress| {
        let mut object = json!(progress);
        object["message"] = progress.to_string().into();
        let message = HostMessage::HostProgress { id, body: object.to_string().into() };
        queue.push(|out| message.encode(out));
    });
    execute(service.with_progress(sink), call).await
}

async fn execute(service: EnvironmentService, call: HostCall) -> Result<Value, Problem> {
    Ok(match call {
        HostCall::EnsureProvider { provider, model_id } => {
            json!({ "path": service.ensure_provider(provider, model_id).await? })
        }
        HostCall::EnsureEngine { engine } => json!({ "path": service.ensure_engine(engine).await? }),
        HostCall::ProviderName { provider, model_id } => {
            json!({ "name": service.provider_name(provider, model_id).await? })
        }
        HostCall::RegisteredEnvironment { provider, model_id } => {
            json!({ "path": service.registered(provider, model_id).await? })
        }
        HostCall::CreateEnvironment { name } => json!({ "path": service.create(name).await? }),
        HostCall::ListEnvironments {} => json!({ "environments": service.list().await? }),
        HostCall::EnvironmentStatus { name } => json!(service.status(name).await?),
        HostCall::Install { name, packages } => {
            let done = service.install(name, packages).await?;
            json!({ "installed": done.packages, "changed": done.changed })
        }
        HostCall::Uninstall { name, packages } => {
            let done = service.uninstall(name, packages).await?;
            json!({ "removed": done.packages, "absent": done.absent, "orphaned": done.orphaned })
        }
        HostCall::Lock { name, file } => json!({ "path": service.lock(name, file).await? }),
        HostCall::Sync { name, file } => {
            let done = service.sync(name, file).await?;
            json!({ "changed": done.changed, "removed": done.removed })
        }
        HostCall::Clone { name, to } => json!({ "path": service.copy(name, to).await? }),
        HostCall::Repair { name, python } => {
            let done = service.repair(name, python).await?;
            let (path, installed) = (done.environment.path, done.installed.changed);
            json!({ "path": path, "was": done.was, "installed": installed })
        }
        HostCall::DeleteEnvironment { name } => {
            service.delete(name).await?;
            json!({ "success": true })
        }
        HostCall::ListProviders {} => json!({ "providers": service.providers().await? }),
        HostCall::ProviderStatus { provider, model_id } => json!(service.provider_status(provider, model_id).await?),
        HostCall::Accelerator {} => json!(service.accelerator().await?),
        HostCall::MarkFeature { provider, feature } => {
            json!({ "marked": service.feature(provider, feature, false).await? })
        }
        HostCall::HasFeature { provider, feature } => {
            json!({ "marked": service.feature(provider, feature, true).await? })
        }
        HostCall::TrackedPackages { provider, package } => {
            json!({ "packages": service.tracked(provider, package).await? })
        }
        HostCall::InstallRuntime { version } => json!(service.install_runtime(version).await?),
        HostCall::UseRuntime { name } => json!(service.use_runtime(name).await?),
        HostCall::ListRuntimes {} => json!({ "runtimes": service.runtimes().await? }),
    })
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}
