//! Calls from Python to this host, on the worker's second pair of pipes: Python code manages environments through the
//! same Rust classes as everybody else.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::Semaphore;

use crate::environment::ProgressSink;
use crate::session::environment_service::service::EnvironmentService;
use crate::session::session::SessionInner;
use crate::session::supervisor::callbacks::client::{ClientCall, client_call};
use crate::session::supervisor::supervisor::StdioPump;
use crate::worker::frame::{Decoder, encode as encode_frames, kind};
use crate::worker::write_queue::WriteQueue;

/// How many calls of one worker are under way at once; further ones wait in the pipe.
const AT_ONCE: usize = 64;
const READ_BYTES: usize = 64 << 10;
const MAX_CALL_BYTES: usize = 64 << 20;

#[derive(Deserialize)]
pub(crate) struct Call<'a> {
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) params: &'a RawValue,
    /// Whether Python wants to be told of the progress.
    #[serde(default)]
    progress: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    name: Option<String>,
    provider: Option<String>,
    model_id: Option<String>,
    packages: Option<Vec<String>>,
    engine: Option<String>,
    feature: Option<String>,
    /// A package that was installed by other means, and its version.
    package: Option<(String, String)>,
    version: Option<String>,
    /// A lock.
    file: Option<PathBuf>,
    /// What a copy is called.
    to: Option<String>,
    /// Which Python.
    python: Option<String>,
}

/// Answers the calls of one worker until it closes its end.
pub(crate) async fn answer(
    mut calls: pipe::Receiver,
    mut answers: pipe::Sender,
    shared: Arc<SessionInner>,
    outputs: Arc<StdioPump>,
) {
    let outbox = Arc::new(WriteQueue::default());
    let writer = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.write_to(&mut answers, || {}).await }
    });
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut decoder = Decoder::with_limit(MAX_CALL_BYTES);
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        match calls.read_buf(&mut buffer).await {
            Ok(1..) => {}
            _ => break,
        }
        loop {
            let message = match decoder.next(&mut buffer) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!("calls from Python to the host end here: {error}");
                    return writer.abort();
                }
            };
            let id = message.id;
            let body = match client_call(&shared, &outputs, &outbox, message) {
                ClientCall::Done(told) => {
                    write(&outbox, id, told);
                    continue;
                }
                ClientCall::Asked(answer) => {
                    let outbox = outbox.clone();
                    tokio::spawn(async move { write(&outbox, id, answer.await) });
                    continue;
                }
                ClientCall::Other(body) => body,
            };
            let Ok(place) = places.clone().acquire_owned().await else { return writer.abort() };
            let (outbox, service) = (outbox.clone(), shared.config.environments.clone());
            tokio::spawn(async move {
                let tell = {
                    let outbox = outbox.clone();
                    move |told: Value| {
                        let body = told.to_string();
                        outbox.push(|out| encode_frames(out, kind::HOST_PROGRESS, 0, id, body.as_bytes()));
                    }
                };
                let told = carry_out(service, body, tell).await;
                write(&outbox, id, told.map(|value| value.to_string().into()));
                drop(place);
            });
        }
    }
    writer.abort();
}

fn write(outbox: &WriteQueue, id: u64, told: Result<Bytes, Problem>) {
    let (kind, body) = match told {
        Ok(body) => (kind::HOST_RESULT, body),
        Err(problem) => {
            (kind::HOST_ERROR, json!({ "code": problem.code, "detail": problem.detail }).to_string().into())
        }
    };
    outbox.push(|out| encode_frames(out, kind, 0, id, &body));
}

async fn carry_out(
    service: EnvironmentService,
    body: Bytes,
    tell: impl Fn(Value) + Send + Sync + 'static,
) -> Result<Value, Problem> {
    let unreadable = |error| invalid(format!("the call to the host cannot be read: {error}"));
    let Call { method, params, progress } = serde_json::from_slice(&body).map_err(unreadable)?;
    let service = match progress {
        false => service,
        true => service.with_progress(ProgressSink::new(move |progress| {
            let mut told = json!(progress);
            told["message"] = progress.to_string().into();
            tell(told);
        })),
    };
    let Params { name, provider, model_id, packages, engine, feature, package, version, file, to, python } =
        serde_json::from_str(params.get()).map_err(unreadable)?;
    let name = || name.ok_or_else(|| invalid("the name is missing"));
    let packages = || packages.ok_or_else(|| invalid("the packages are missing"));
    let provider = || provider.ok_or_else(|| invalid("the provider's name is missing"));
    let feature = || feature.ok_or_else(|| invalid("the feature's name is missing"));
    match &*method {
        "venv.ensure_provider" => Ok(json!({ "path": service.ensure_provider(provider()?, model_id).await? })),
        "venv.ensure_engine" => {
            let engine = engine.ok_or_else(|| invalid("the engine's name is missing"))?;
            Ok(json!({ "path": service.ensure_engine(engine).await? }))
        }
        "venv.provider_name" => Ok(json!({ "name": service.provider_name(provider()?, model_id).await? })),
        "venv.registered" => Ok(json!({ "path": service.registered(provider()?, model_id).await? })),
        "provider.list" => Ok(json!({ "providers": service.providers().await? })),
        "provider.status" => Ok(json!(service.provider_status(provider()?, model_id).await?)),
        "provider.accelerator" => Ok(json!(service.accelerator().await?)),
        "provider.mark_feature" => Ok(json!({ "marked": service.feature(provider()?, feature()?, false).await? })),
        "provider.has_feature" => Ok(json!({ "marked": service.feature(provider()?, feature()?, true).await? })),
        "provider.tracked" => Ok(json!({ "packages": service.tracked(provider()?, package).await? })),
        "venv.create" => Ok(json!({ "path": service.create(name()?).await? })),
        "venv.list" => Ok(json!({ "environments": service.list().await? })),
        "venv.status" => Ok(json!(service.status(name()?).await?)),
        "venv.install" => {
            let done = service.install(name()?, packages()?).await?;
            Ok(json!({ "installed": done.packages, "changed": done.changed }))
        }
        "venv.uninstall" => {
            let done = service.uninstall(name()?, packages()?).await?;
            Ok(json!({ "removed": done.packages, "absent": done.absent, "orphaned": done.orphaned }))
        }
        "venv.lock" => Ok(json!({ "path": service.lock(name()?, file).await? })),
        "venv.sync" => {
            let done = service.sync(name()?, file).await?;
            Ok(json!({ "changed": done.changed, "removed": done.removed }))
        }
        "venv.clone" => {
            let to = to.ok_or_else(|| invalid("the copy's name is missing"))?;
            Ok(json!({ "path": service.copy(name()?, to).await? }))
        }
        "venv.repair" => {
            let done = service.repair(name()?, python).await?;
            let (path, installed) = (done.environment.path, done.installed.changed);
            Ok(json!({ "path": path, "was": done.was, "installed": installed }))
        }
        "venv.delete" => {
            service.delete(name()?).await?;
            Ok(json!({ "success": true }))
        }
        "runtime.install" => Ok(json!(service.install_runtime(version).await?)),
        "runtime.use" => Ok(json!(service.use_runtime(name()?).await?)),
        "runtime.list" => Ok(json!({ "runtimes": service.runtimes().await? })),
        other => Err(invalid(format!("the host has no method '{other}'"))),
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}
