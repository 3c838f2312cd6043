//! `status`: which servers run, and what became of those that do not.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use beep_python_server::launch::{ServerRecord, ServerState, log_tail, records};
use serde_json::{Value, json};

use crate::ExitStatus;
use crate::context::Context;

pub(crate) fn run(context: &Context) -> Result<ExitStatus> {
    let servers = records(&context.home()?)?;
    let json = servers.iter().map(|(record, state)| server_json(record, *state)).collect();
    let printer = &context.printer;
    printer.result(json, || {
        if servers.is_empty() {
            return printer.line("No server is running.");
        }
        let rows = servers.iter().map(|(record, state)| {
            let endpoints: Vec<_> = record.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
            let since = if state.is_alive() { ago(record.started_at) } else { String::new() };
            let environment = format!("{} (Python {})", record.environment, record.python_version);
            vec![
                record.id.clone(),
                word(*state).into(),
                endpoints.join(" "),
                environment,
                record.pid.to_string(),
                since,
            ]
        });
        printer.table(&["SERVER", "STATE", "ENDPOINT", "ENVIRONMENT", "PID", "SINCE"], rows.collect());
        for (record, state) in servers.iter().filter(|(_, state)| !state.is_alive()) {
            printer.line("");
            printer.line(explanation(record, *state));
            for line in last_lines(record, 3).lines() {
                printer.line(format_args!("  | {line}"));
            }
            let id = &record.id;
            printer.line(format_args!(
                "  beep-python restart {id} starts it again, stop {id} forgets it, logs {id} shows all."
            ));
        }
    });
    Ok(ExitStatus::Success)
}

pub(crate) fn server_json(record: &ServerRecord, state: ServerState) -> Value {
    let mut json = json!(record);
    // How it is says more than what was written last.
    if let Some(json) = json.as_object_mut() {
        json.remove("stopping");
    }
    json["state"] = word(state).into();
    if !state.is_alive() {
        json["explanation"] = explanation(record, state).into();
        json["logTail"] = last_lines(record, 20).into();
    }
    json
}

/// What became of a server that does not run.
pub(crate) fn explanation(record: &ServerRecord, state: ServerState) -> String {
    let ServerRecord { id, pid, .. } = record;
    match state {
        ServerState::Running => format!("Server {id} runs."),
        ServerState::Stopping => format!("Server {id} is finishing its calls."),
        ServerState::Ended => {
            format!("Server {id} (process {pid}) ended without stopping: it was killed, or it crashed.")
        }
        ServerState::PidReused => {
            format!("Server {id} ended without stopping, and another process has its pid {pid} by now.")
        }
        ServerState::Rebooted => format!("Server {id} ended when the machine was restarted."),
    }
}

fn last_lines(record: &ServerRecord, lines: usize) -> String {
    record.log.as_ref().map(|log| log_tail(log, lines)).unwrap_or_default()
}

fn word(state: ServerState) -> &'static str {
    match state {
        ServerState::Running => "running",
        ServerState::Stopping => "stopping",
        ServerState::Ended => "dead",
        ServerState::PidReused => "dead (pid reused)",
        ServerState::Rebooted => "dead (rebooted)",
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
