//! `stop`: stops servers, and forgets those that have ended, and on request those that run elsewhere.

use std::time::Duration;

use anyhow::Result;
use beep_python_runtime::platform::parse_duration;
use beep_python_server::launch::{RecordError, ServerRecord, ServerState, Stopped, records, remove_record, stop};
use serde_json::json;

use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::server::lookup::find_server;
use crate::server::report::explain_state;
use crate::server::settings::stop_grace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server, by id or a unique start of it, port, pipe name or URL [default: the only running one]
    server: Option<String>,
    /// Stop all servers, but for those of other commands that run, such as eval
    #[arg(long, conflicts_with = "server")]
    all: bool,
    /// Remove the record of a server of another machine or container, which cannot be reached from here; for one that is gone
    #[arg(long)]
    forget: bool,
    /// How long it may take to finish before it is killed [default: its --drain, plus 5s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    grace: Option<Duration>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let home = context.home()?;
    let servers = match args.all {
        // One that belongs to a command ends with it.
        true => records(&home)?.into_iter().filter(|(record, state)| !(record.temporary && state.is_alive())).collect(),
        false => vec![find_server(&home, args.server.as_deref())?],
    };
    let mut entries = Vec::new();
    let mut lines = Vec::new();
    for (record, state) in servers {
        if state == ServerState::Elsewhere {
            if !args.forget && !args.all {
                return Err(RecordError::Elsewhere { id: record.id, host: record.place.host }.into());
            }
            let done = if args.forget { "Its record is removed." } else { "It is left alone." };
            lines.push(format!("{} {done}", explain_state(&record, state)));
            let outcome = if args.forget { "forgotten" } else { "elsewhere" };
            entries.push(json!({"id": record.id, "pid": record.pid, "outcome": outcome}));
            if args.forget {
                remove_record(&home, &record)?;
            }
            continue;
        }
        let stopped = stop(&home, &record, args.grace.unwrap_or_else(|| stop_grace(&record)))?;
        entries.push(json!({"id": record.id, "pid": record.pid, "outcome": word(stopped)}));
        lines.push(match stopped {
            Stopped::AlreadyGone if !state.is_alive() => {
                format!("{} Its record is removed.", explain_state(&record, state))
            }
            _ => describe_outcome(&record, stopped),
        });
    }
    context.printer.result(entries.into(), || match lines.as_slice() {
        [] => context.printer.line("No server is running."),
        lines => lines.iter().for_each(|line| context.printer.line(line)),
    });
    Ok(ExitStatus::Success)
}

fn describe_outcome(record: &ServerRecord, stopped: Stopped) -> String {
    let id = &record.id;
    match stopped {
        Stopped::Drained => format!("Stopped the server {id}"),
        Stopped::Killed => format!("Killed the server {id}: it did not finish in time"),
        Stopped::AlreadyGone => format!("The server {id} had already ended"),
    }
}

fn word(stopped: Stopped) -> &'static str {
    match stopped {
        Stopped::Drained => "drained",
        Stopped::Killed => "killed",
        Stopped::AlreadyGone => "alreadyGone",
    }
}
