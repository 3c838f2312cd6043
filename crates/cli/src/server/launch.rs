//! Starting servers, for good or for the time of one command.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use beep_python_runtime::environment::Environment;
use beep_python_runtime::platform::Home;
use beep_python_server::launch::{LaunchPlan, RecordError, ServerLauncher, ServerRecord, stop};
use beep_python_server::pipe::PipeName;

use crate::server::settings::{ServerSettings, stop_grace};

/// Who starts servers: this very program.
pub(crate) fn launcher(home: &Home) -> Result<ServerLauncher> {
    Ok(ServerLauncher::new(std::env::current_exe()?, home))
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
        let stopped = stop(&self.home, &self.record, stop_grace(&self.record)).map(drop);
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
        let _ = stop(&self.home, &self.record, stop_grace(&self.record));
        self.remove_log();
    }
}

/// A pipe: the end that this process keeps to itself, and the one of a server that is to end with it.
fn lifeline() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (theirs, ours) = std::io::pipe()?;
    Ok((ours.into(), theirs.into()))
}
