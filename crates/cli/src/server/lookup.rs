//! Servers as commands see them: chosen by what people have at hand, started for a moment, spoken to.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use beep_python_client::{AnyBackend, RunningServer};
use beep_python_runtime::environment::Environment;
use beep_python_runtime::platform::Home;
use beep_python_server::launch::{
    Endpoint, LaunchPlan, RecordError, ServerLauncher, ServerRecord, ServerState, find, records, stop,
};
use beep_python_server::pipe::PipeName;

use crate::commands::serve::{DEFAULT_DRAIN, ServerSettings};
use crate::error::CliError;

/// How long a server that is asked to stop may take: what it was told to give its calls, and a while to end.
pub(crate) fn grace_of(record: &ServerRecord) -> Duration {
    const WHILE: Duration = Duration::from_secs(5);
    let settings = ServerSettings::from_arguments(&record.arguments).ok();
    settings.and_then(|settings| settings.args.drain).unwrap_or(DEFAULT_DRAIN).saturating_add(WHILE)
}

/// The server that `wanted` means; without it the only one that runs.
pub(crate) fn server_for(home: &Home, wanted: Option<&str>) -> Result<(ServerRecord, ServerState)> {
    if let Some(wanted) = wanted {
        return Ok(find(home, wanted)?);
    }
    let mut running = running(home)?;
    match running.len() {
        0 => Err(CliError::NoServer.into()),
        1 => Ok(running.remove(0)),
        _ => Err(CliError::WhichServer(running.into_iter().map(|(record, _)| record.id).collect()).into()),
    }
}

/// The servers that run.
pub(crate) fn running(home: &Home) -> Result<Vec<(ServerRecord, ServerState)>, RecordError> {
    let mut all = records(home)?;
    all.retain(|(_, state)| state.is_alive());
    Ok(all)
}

/// Who starts servers: this very program.
pub(crate) fn launcher(home: &Home) -> Result<ServerLauncher> {
    Ok(ServerLauncher::new(std::env::current_exe()?, home))
}

/// A client of the server's first endpoint.
pub(crate) fn client_of(record: &ServerRecord) -> Result<AnyBackend> {
    let endpoint = record.endpoints.first().ok_or_else(|| CliError::NoEndpoint(record.id.clone()))?;
    client_at(record, endpoint)
}

/// A client of one of the server's endpoints.
pub(crate) fn client_at(record: &ServerRecord, endpoint: &Endpoint) -> Result<AnyBackend> {
    Ok(RunningServer { record: record.clone() }.connect_to(&endpoint.url)?)
}

/// A server that is there for one command and stopped when this is dropped.
pub(crate) struct TemporaryServer {
    home: Home,
    pub(crate) record: ServerRecord,
    /// When it closes, because this process ended without a word, the server stops by itself.
    _lifeline: OwnedFd,
}

impl TemporaryServer {
    /// Starts it with HTTP on a free port and, if asked, with the other backends too. It runs on its own threads, so that an interruption of the command can be answered
    /// meanwhile; whoever stops waiting must still wait for the result, or the server stays.
    pub(crate) async fn start(home: &Home, environment: &Environment, all: bool) -> Result<TemporaryServer> {
        let launcher = launcher(home)?;
        let mut settings = ServerSettings::in_environment(environment);
        // When it is stopped, whoever asked for what it is doing has gone.
        settings.args.drain = Some(Duration::from_millis(100));
        let (ours, lifeline) = lifeline()?;
        let mut plan = LaunchPlan {
            http: Some(0),
            arguments: settings.arguments(),
            lifeline: Some(Arc::new(lifeline)),
            ..LaunchPlan::default()
        };
        if all {
            plan.pipe = Some(PipeName::random()?);
            plan.rpc = Some(0);
        }
        let record = tokio::task::spawn_blocking(move || launcher.launch(&plan)).await??;
        Ok(TemporaryServer { home: home.clone(), record, _lifeline: ours })
    }

    /// Stops it now.
    pub(crate) fn stop(self) -> Result<(), RecordError> {
        let stopped = stop(&self.home, &self.record, grace_of(&self.record)).map(drop);
        self.remove_log();
        std::mem::forget(self); // with the lifeline, which this process, about to end, holds as long as it lives
        stopped
    }

    fn remove_log(&self) {
        let _ = self.record.log.as_ref().map(std::fs::remove_file);
    }
}

impl Drop for TemporaryServer {
    fn drop(&mut self) {
        // What failed before is worth telling, this is not.
        let _ = stop(&self.home, &self.record, grace_of(&self.record));
        self.remove_log();
    }
}

/// A pipe: the end that this process keeps to itself, and the one of a server that is to end with it.
fn lifeline() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (theirs, ours) = std::io::pipe()?;
    Ok((ours.into(), theirs.into()))
}

/// Waits until the command is interrupted: Ctrl-C, or asked to end, or its terminal is gone.
pub(crate) async fn interrupted() -> Result<CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(CliError::Interrupted)
}
