//! `restart`: a new server with the id, endpoints, environment, folder, variables and settings of the old one.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use beep_python_runtime::platform::Home;
use beep_python_server::launch::{
    BindError, Endpoint, LaunchError, LaunchPlan, RecordError, ServerLauncher, ServerRecord, ServerState, Successor,
    stop, surroundings_of, write_record,
};
use beep_python_server::unix_socket::{PipeError, PipeName};

use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::server::default_token::of_restarted;
use crate::server::launch::{TemporaryServer, launcher};
use crate::server::lookup::find_server;
use crate::server::report::announce;
use crate::server::settings::{ServerSettings, stop_grace};
use crate::signals::finish_first;

/// How long a server that was killed may still hold its sockets: in its last threads, or in a process that it was just starting.
const RELEASE_TIME: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server, by id or a unique start of it, port, pipe name or URL [default: the only running one]
    server: Option<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let home = context.home()?;
    let (record, state) = find_server(&home, args.server.as_deref())?;
    if state == ServerState::Elsewhere {
        return Err(RecordError::Elsewhere { id: record.id, host: record.place.host }.into());
    }
    let plan = plan(context, &record)?;
    let launcher = launcher(&home)?;
    if state.is_alive() {
        rehearse(&home, &plan)
            .with_context(|| format!("server {} could not start again, so it was left running", record.id))?;
    }
    let record = finish_first(|| replace(&home, &launcher, &record, &plan))??;
    announce(context, &record);
    Ok(ExitStatus::Success)
}

/// The old server as a plan: as it was, not as the shell is that restarts it.
fn plan(context: &Context, record: &ServerRecord) -> Result<LaunchPlan> {
    let id = &record.id;
    let settings = ServerSettings::from_arguments(&record.arguments).with_context(|| {
        format!("server {id} was started by another version, with settings that this one does not know")
    })?;
    let surroundings =
        surroundings_of(record).with_context(|| format!("the variables of server {id} cannot be read"))?;
    if surroundings.is_none() {
        context
            .printer
            .note(format_args!("notice: server {id} is gone, and its variables with it: it gets those of here"));
    }
    let (variables, directory) = surroundings.map(|found| (found.variables, found.directory)).unzip();
    Ok(LaunchPlan {
        id: Some(id.clone()),
        hosts: settings.args.host.clone(),
        remote: settings.args.is_remote_allowed(),
        http: record.endpoint("http").and_then(Endpoint::port),
        pipe: record.endpoint("pipe").and_then(Endpoint::pipe_name).and_then(|name| name.parse().ok()),
        rpc: record.endpoint("rpc").and_then(Endpoint::port),
        directory: Some(directory.unwrap_or_else(|| record.directory.clone())),
        variables,
        arguments: settings.arguments(),
        sockets: None,
        lifeline: None,
        stdin: None,
        token: of_restarted(record)?,
    })
}

/// Starts the same server once beside the old one, and stops it: whatever keeps it from starting is found while the old one runs.
fn rehearse(home: &Home, plan: &LaunchPlan) -> Result<()> {
    let rehearsal = LaunchPlan {
        id: None,
        http: plan.http.map(|_| 0),
        pipe: plan.pipe.as_ref().map(|_| PipeName::random()).transpose()?,
        rpc: plan.rpc.map(|_| 0),
        ..plan.clone()
    };
    Ok(TemporaryServer::of(home, rehearsal)?.stop()?)
}

/// Stops the old server, which hands its sockets over, and starts the new one with them: what connects meanwhile waits. One that is dead
/// hands nothing over, and its sockets are bound anew. Where that fails all the same, the record stays, so that another `restart` can
/// start it.
fn replace(home: &Home, launcher: &ServerLauncher, record: &ServerRecord, plan: &LaunchPlan) -> Result<ServerRecord> {
    let successor = Successor::of(home, &record.id).ok();
    stop(home, record, stop_grace(record))?;
    let sockets = successor.and_then(Successor::take).map(Arc::new);
    let plan = LaunchPlan { sockets, ..plan.clone() };
    let until = Instant::now() + RELEASE_TIME;
    loop {
        match launcher.launch(&plan) {
            Err(error) if is_held(&error) && Instant::now() < until => sleep(RETRY_INTERVAL),
            launched => {
                return launched.map_err(|error| {
                    let _ = write_record(home, record);
                    error.into()
                });
            }
        }
    }
}

/// Whether another process has a socket that the plan names.
fn is_held(error: &LaunchError) -> bool {
    matches!(error, LaunchError::Bind(BindError::PortInUse { .. }) | LaunchError::Pipe(PipeError::InUse { .. }))
}
