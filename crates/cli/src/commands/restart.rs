//! `restart`: a new server with the id, endpoints, environment and settings of the old one.

use anyhow::{Context as _, Result};
use beep_python_server::launch::{Endpoint, LaunchPlan, stop};

use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::server::launch::launcher;
use crate::server::lookup::find_server;
use crate::server::report::announce;
use crate::server::settings::ServerSettings;
use crate::server::settings::stop_grace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server, by id or a unique start of it, port, pipe name or URL [default: the only running one]
    server: Option<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let home = context.home()?;
    let (record, _) = find_server(&home, args.server.as_deref())?;
    let settings = ServerSettings::from_arguments(&record.arguments).with_context(|| {
        format!("server {} was started by another version, with settings that this one does not know", record.id)
    })?;
    let plan = LaunchPlan {
        id: Some(record.id.clone()),
        host: settings.args.host.clone(),
        http: record.endpoint("http").and_then(Endpoint::port),
        pipe: record.endpoint("pipe").and_then(Endpoint::pipe_name).and_then(|name| name.parse().ok()),
        rpc: record.endpoint("rpc").and_then(Endpoint::port),
        directory: Some(record.directory.clone()),
        arguments: settings.arguments(),
        lifeline: None,
        stdin: None,
    };
    stop(&home, &record, stop_grace(&record))?;
    let record = launcher(&home)?.launch(&plan)?;
    announce(context, &record);
    Ok(ExitStatus::Success)
}
