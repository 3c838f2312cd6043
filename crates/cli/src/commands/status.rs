//! `status`: running servers, and what became of the others.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use beep_python_server::launch::{ServerRecord, ServerState, records};

use super::top::interval;
use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::printer::Printer;
use crate::server::report::{explain_state, log_excerpt, server_json, state_name};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Show servers and sessions live, as `top` does; every 2s, or at this interval
    #[arg(long, value_name = "TIME", value_parser = interval, num_args = 0..=1, default_missing_value = "2s")]
    pub(super) watch: Option<Duration>,
}

pub(crate) fn run(context: &Context) -> Result<ExitStatus> {
    let servers = records(&context.home()?)?;
    let json = servers.iter().map(|(record, state)| server_json(record, *state)).collect();
    context.printer.result(json, || show(&context.printer, &servers));
    Ok(ExitStatus::Success)
}

fn show(printer: &Printer, servers: &[(ServerRecord, ServerState)]) {
    if servers.is_empty() {
        return printer.line("No server is running.");
    }
    let rows = servers.iter().map(|(record, state)| {
        let endpoints: Vec<_> = record.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
        let since = if state.is_alive() { ago(record.started_at) } else { String::new() };
        let environment = format!("{} (Python {})", record.environment, record.python_version);
        vec![
            record.id.clone(),
            shown_state(record, *state),
            endpoints.join(" "),
            environment,
            record.pid.to_string(),
            since,
        ]
    });
    printer.table(&["SERVER", "STATE", "ENDPOINT", "ENVIRONMENT", "PID", "SINCE"], rows.collect());
    for (record, state) in servers.iter().filter(|(_, state)| !state.is_alive()) {
        printer.line("");
        printer.line(explain_state(record, *state));
        let id = &record.id;
        if *state == ServerState::Elsewhere {
            printer.line(format_args!("  beep-python stop --forget {id} forgets it, once it is gone there."));
            continue;
        }
        for line in log_excerpt(record, 3).lines() {
            printer.line(format_args!("  | {line}"));
        }
        printer.line(format_args!(
            "  beep-python restart {id} starts it again, stop {id} forgets it, logs {id} shows all."
        ));
    }
}

fn shown_state(record: &ServerRecord, state: ServerState) -> String {
    let name = state_name(state);
    match record.temporary {
        true => format!("{name} (of a command)"),
        false => name.to_owned(),
    }
}

fn ago(started_at: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let seconds = Duration::from_secs(now.saturating_sub(started_at)).as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}
