//! `venv delete`.

use std::path::Path;

use anyhow::{Context as _, Result};
use beep_python_runtime::environment::Environment;
use beep_python_server::launch::{RecordError, ServerRecord, ServerState, records, stop};
use serde_json::json;

use crate::async_runtime::block_on;
use crate::context::Context;
use crate::environment::own_name;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::printer::path_json;
use crate::server::lookup::{connect, running_servers};
use crate::server::settings::stop_grace;
use crate::terminal::confirm::confirm_deletion;

pub(super) fn delete(context: &Context, name: &str, yes: bool) -> Result<ExitStatus> {
    let name = &own_name(context, name, "deleted")?;
    let home = context.home()?;
    let environments = context.environments()?;
    let environment = environments.open(name)?;
    // Before any server is stopped for nothing.
    environments.check_use_is_known(name)?;
    let all = records(&home)?;
    let is_elsewhere = |(record, state): &&(ServerRecord, ServerState)| {
        *state == ServerState::Elsewhere && record.environment_path == environment.path
    };
    if let Some((record, _)) = all.iter().find(is_elsewhere) {
        return Err(RecordError::Elsewhere { id: record.id.clone(), host: record.place.host.clone() })
            .with_context(|| format!("the environment \"{name}\" may be in use by server {}", record.id));
    }
    let running = running_servers(&home)?;
    let (users, others): (Vec<_>, Vec<_>) =
        running.iter().map(|(record, _)| record).partition(|record| record.environment_path == environment.path);
    // A server of another environment keeps running; only its sessions in this one end.
    let mut guests = Vec::new();
    for record in others.into_iter().filter(|record| environment.users().contains(&record.pid)) {
        let sessions = block_on(sessions_in(record, &environment))?;
        guests.extend(sessions.into_iter().map(|session| (record, session)));
    }
    if !yes {
        let mut also = String::new();
        match users.len() {
            0 => {}
            1 => also.push_str(" and stop the server that uses it"),
            number => also.push_str(&format!(" and stop the {number} servers that use it")),
        }
        match guests.len() {
            0 => {}
            1 => also.push_str(" and end the session in it"),
            number => also.push_str(&format!(" and end the {number} sessions in it")),
        }
        if !confirm_deletion(&format!("Delete {}{also}?", environment.path.display()))? {
            return Err(CliError::Unconfirmed(name.into()).into());
        }
    }
    for record in &users {
        stop(&home, record, stop_grace(record))?;
    }
    for (record, session) in &guests {
        block_on(async { Ok(connect(record)?.delete_session(session).await?) })?;
    }
    environments.delete(name)?;
    let stopped: Vec<_> = users.iter().map(|record| record.id.as_str()).collect();
    let ended: Vec<_> =
        guests.iter().map(|(record, session)| json!({"server": record.id, "session": session})).collect();
    let json = json!({"name": name, "path": path_json(&environment.path), "stopped": stopped, "ended": ended});
    context.printer.result(json, || {
        for id in &stopped {
            context.printer.line(format_args!("Stopped the server {id}"));
        }
        for (record, session) in &guests {
            context.printer.line(format_args!("Deleted the session {session} of the server {}", record.id));
        }
        context.printer.line(format_args!("Deleted the environment {name}"));
    });
    Ok(ExitStatus::Success)
}

/// The sessions that a server has in an environment other than its own.
async fn sessions_in(record: &ServerRecord, environment: &Environment) -> Result<Vec<String>> {
    let mut sessions = connect(record)?.list_sessions().await?;
    sessions.retain(|session| Path::new(&session.environment) == environment.path);
    Ok(sessions.into_iter().map(|session| session.session_id).collect())
}
