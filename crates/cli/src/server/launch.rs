//! Starting servers, for good or for the time of one command.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::sync::Arc;

use anyhow::Result;
use beep_python_runtime::environment::Environment;
use beep_python_runtime::platform::Home;
use beep_python_server::launch::{
    BindError, LaunchError, LaunchPlan, RecordError, ServerLauncher, ServerRecord, log_files, remove_log, stop,
};
use beep_python_server::unix_socket::PipeName;

use crate::error::CliError;
use crate::logging;
use crate::server::settings::{ServerSettings, stop_grace};

/// Starts servers with this very program.
pub(crate) fn launcher(home: &Home) -> Result<ServerLauncher> {
    Ok(ServerLauncher::new(std::env::current_exe()?, home))
}

/// A server for one command, stopped on drop.
pub(crate) struct TemporaryServer {
    home: Home,
    pub(crate) record: ServerRecord,
    /// Closes when this process ends, even by a kill; the server then stops by itself.
    _lifeline: OwnedFd,
}

impl TemporaryServer {
    /// Starts a server with HTTP on a free port and, with `all`, the other backends too; with a pipe alone where there is no IP. Its code reads `stdin`, where that is
    /// given, as its standard input. The outer error is an
    /// interruption; the server is stopped then as soon as it is ready.
    pub(crate) async fn start(
        home: &Home,
        environment: &Environment,
        all: bool,
        stdin: Option<OwnedFd>,
        interruption: Pin<&mut impl Future<Output = Result<CliError>>>,
    ) -> Result<Result<TemporaryServer>> {
        let mut starting = pin!(TemporaryServer::launch(home, environment, all, stdin));
        tokio::select! {
            server = &mut starting => Ok(server),
            interruption = interruption => {
                drop(starting.await);
                Err(interruption?.into())
            }
        }
    }

    /// The launch blocks a thread of its own, so that the command can react to an interruption meanwhile.
    async fn launch(
        home: &Home,
        environment: &Environment,
        all: bool,
        stdin: Option<OwnedFd>,
    ) -> Result<TemporaryServer> {
        // With the drain of every server: its session ends as a program does, with its functions of `atexit`.
        let settings = ServerSettings::in_environment(environment);
        let mut plan = LaunchPlan {
            http: Some(0),
            arguments: settings.arguments(),
            stdin: stdin.map(Arc::new),
            ..LaunchPlan::default()
        };
        if all {
            plan.pipe = Some(PipeName::random()?);
            plan.rpc = Some(0);
        }
        let home = home.clone();
        let started = move || match TemporaryServer::of(&home, plan.clone()) {
            Err(error) if matches!(error.downcast_ref(), Some(LaunchError::Bind(BindError::NoIp { .. }))) => {
                let pipe = Some(PipeName::random()?);
                TemporaryServer::of(&home, LaunchPlan { http: None, rpc: None, pipe, ..plan })
            }
            started => started,
        };
        tokio::task::spawn_blocking(started).await?
    }

    /// Starts a server of this plan, which ends with this process. Blocks until it is ready.
    pub(crate) fn of(home: &Home, mut plan: LaunchPlan) -> Result<TemporaryServer> {
        let (ours, theirs) = lifeline()?;
        plan.lifeline = Some(Arc::new(theirs));
        let record = launcher(home)?.launch(&plan)?;
        Ok(TemporaryServer { home: home.clone(), record, _lifeline: ours })
    }

    /// Stops the server.
    pub(crate) fn stop(self) -> Result<(), RecordError> {
        let stopped = self.end();
        std::mem::forget(self); // and with it the lifeline, which closes when this process ends
        stopped
    }

    /// Stops the server and removes its log; prints it where logs were asked for, since nothing else has it afterwards. One that
    /// nobody reads is removed first: this process may be killed while it waits for the server.
    fn end(&self) -> Result<(), RecordError> {
        let log = self.record.log.as_ref();
        let is_read = logging::is_requested();
        let remove = || log.into_iter().for_each(|log| remove_log(log));
        if !is_read {
            remove();
        }
        let stopped = stop(&self.home, &self.record, stop_grace(&self.record)).map(drop);
        if is_read {
            for file in log.into_iter().flat_map(|log| log_files(log)) {
                let _ = std::io::stderr().write_all(&std::fs::read(file).unwrap_or_default());
            }
            remove();
        }
        stopped
    }
}

impl Drop for TemporaryServer {
    fn drop(&mut self) {
        // An earlier error is worth reporting, this one is not.
        let _ = self.end();
    }
}

/// A pipe: the end that this process keeps, and the end for the server that shall stop with it.
fn lifeline() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (theirs, ours) = std::io::pipe()?;
    Ok((ours.into(), theirs.into()))
}
