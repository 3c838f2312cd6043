//! `stop`: ends servers, or forgets those that are gone.

use std::time::Duration;

use anyhow::Result;
use beep_python_server::launch::{ServerRecord, Stopped, records, stop};
use serde_json::json;

use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::server::lookup::find_server;
use crate::server::report::explain_state;
use crate::server::settings::stop_grace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server: its id or the beginning of it, its port, pipe name or URL; the only one that runs otherwise
    server: Option<String>,
    /// Stop all servers
    #[arg(long, conflicts_with = "server")]
    all: bool,
    /// How long it may take to finish, in seconds, before it is killed [default: what it was started with, and 5]
    #[arg(long, value_name = "SECONDS")]
    grace: Option<u64>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let home = context.home()?;
    let servers = match args.all {
        true => records(&home)?,
        false => vec![find_server(&home, args.server.as_deref())?],
    };
    let mut entries = Vec::new();
    let mut lines = Vec::new();
    for (record, state) in servers {
        let stopped = stop(&home, &record, args.grace.map_or_else(|| stop_grace(&record), Duration::from_secs))?;
        entries.push(json!({"id": record.id, "pid": record.pid, "outcome": word(stopped)}));
        lines.push(match stopped {
            Stopped::AlreadyGone if !state.is_alive() => {
                format!("{} It is forgotten now.", explain_state(&record, state))
            }
            _ => told(&record, stopped),
        });
    }
    context.printer.result(entries.into(), || match lines.as_slice() {
        [] => context.printer.line("No server is running."),
        lines => lines.iter().for_each(|line| context.printer.line(line)),
    });
    Ok(ExitStatus::Success)
}

fn told(record: &ServerRecord, stopped: Stopped) -> String {
    let id = &record.id;
    match stopped {
        Stopped::Drained => format!("Stopped the server {id}"),
        Stopped::Killed => format!("Killed the server {id}: it did not finish in time"),
        Stopped::AlreadyGone => format!("The server {id} was gone already"),
    }
}

fn word(stopped: Stopped) -> &'static str {
    match stopped {
        Stopped::Drained => "drained",
        Stopped::Killed => "killed",
        Stopped::AlreadyGone => "alreadyGone",
    }
}
