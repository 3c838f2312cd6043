//! `venv list`, `venv status`.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use beep_python_runtime::environment::{EnvironmentState, EnvironmentStatus, check_environment_name};
use beep_python_server::launch::{ServerRecord, ServerState};
use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::describe::{describe_state, package_list, packages_json};
use super::lack::{Lack, lack_of};
use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::printer::path_json;
use crate::server::lookup::running_servers;

pub(super) fn list(context: &Context) -> Result<ExitStatus> {
    let manager = context.environments()?;
    let mut found = manager.list()?;
    for status in &mut found {
        status.check_requirements();
        status.measure();
    }
    let found: Vec<_> = found.into_iter().map(|status| (lack_of(&manager, &status), status)).collect();
    let servers = running_servers(&context.home()?)?;
    let json = found.iter().map(|(lack, status)| status_json(status, lack.as_ref(), &servers)).collect();
    context.printer.result(json, || {
        if found.is_empty() {
            return context.printer.line("There are no environments.");
        }
        let rows = found.iter().map(|(lack, status)| {
            vec![
                status.name.clone(),
                status.record.as_ref().map(|record| record.python.to_string()).unwrap_or_default(),
                status.packages.len().to_string(),
                status.size_bytes.map(|bytes| HumanBytes(bytes).to_string()).unwrap_or_default(),
                since(status),
                users(status, &servers).join(", "),
                state(status, lack.as_ref()).0,
                status.path.display().to_string(),
            ]
        });
        let header = ["NAME", "PYTHON", "PACKAGES", "SIZE", "USED", "USERS", "STATE", "PATH"];
        context.printer.table(&header, rows.collect());
    });
    Ok(ExitStatus::Success)
}

pub(super) fn status(context: &Context, name: &str) -> Result<ExitStatus> {
    let environments = context.environments()?;
    // By its name also one that is too broken to be opened.
    let status = match check_environment_name(name) {
        Ok(()) => environments.status(&environments.resolve(name)?)?,
        Err(_) => {
            let environment = environments.open_named(name)?;
            match environments.is_own(&environment) {
                true => environments.status(&environment.name)?,
                false => environments.status_of(&environment),
            }
        }
    };
    let servers = running_servers(&context.home()?)?;
    let lack = lack_of(&environments, &status);
    let (word, reason) = state(&status, lack.as_ref());
    context.printer.result(status_json(&status, lack.as_ref(), &servers), || {
        let mut rows =
            vec![("name", status.name.clone()), ("path", status.path.display().to_string()), ("state", word)];
        rows.extend(reason.map(|reason| ("reason", reason)));
        rows.extend(lack.as_ref().map(|lack| ("to fix it", lack.mend.clone())));
        if let Some(record) = &status.record {
            rows.push(("python", format!("{}, {}", record.python, record.interpreter.display())));
            rows.extend(record.provider.clone().map(|provider| ("provider", provider)));
            rows.extend(record.model.clone().map(|model| ("model", model)));
        }
        rows.extend(status.size_bytes.map(|bytes| ("size", HumanBytes(bytes).to_string())));
        rows.push(("used", since(&status)));
        let users = users(&status, &servers);
        rows.extend((!users.is_empty()).then(|| ("users", users.join(", "))));
        let packages = if status.packages.is_empty() { "none".into() } else { package_list(&status.packages) };
        rows.push(("packages", packages));
        rows.extend(status.unmet.iter().map(|requirement| ("missing", requirement.clone())));
        for (name, value) in rows {
            context.printer.line(format_args!("{:<11}{value}", format_args!("{name}:").to_string()));
        }
    });
    let is_whole = status.state == EnvironmentState::Healthy && lack.is_none();
    Ok(if is_whole { ExitStatus::Success } else { ExitStatus::Failure })
}

/// The servers that run in the environment or have sessions in it.
fn servers_in<'a>(status: &EnvironmentStatus, servers: &'a [(ServerRecord, ServerState)]) -> Vec<&'a ServerRecord> {
    let records = servers.iter().map(|(record, _)| record);
    records.filter(|record| record.environment_path == status.path || status.users.contains(&record.pid)).collect()
}

/// These servers, and other processes that have sessions in the environment.
fn users(status: &EnvironmentStatus, servers: &[(ServerRecord, ServerState)]) -> Vec<String> {
    let servers = servers_in(status, servers);
    let others = status.users.iter().filter(|pid| servers.iter().all(|record| record.pid != **pid));
    let others = others.map(|pid| format!("process {pid}"));
    servers.iter().map(|record| record.id.clone()).chain(others).collect()
}

/// When it was last used; file systems record that to a day.
fn since(status: &EnvironmentStatus) -> String {
    let Some(at) = status.last_used else { return String::new() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match now.saturating_sub(at) / 86_400 {
        0 => "today".into(),
        1 => "yesterday".into(),
        days => format!("{days} days ago"),
    }
}

/// The state in a word or two, and the reason.
fn state(status: &EnvironmentStatus, lack: Option<&Lack>) -> (String, Option<String>) {
    match lack {
        Some(lack) => ("incomplete".into(), Some(lack.what.clone())),
        None => describe_state(&status.state),
    }
}

fn status_json(status: &EnvironmentStatus, lack: Option<&Lack>, servers: &[(ServerRecord, ServerState)]) -> Value {
    let record = status.record.as_ref();
    let (word, reason) = state(status, lack);
    json!({
        "name": status.name,
        "path": path_json(&status.path),
        "state": word,
        "usable": status.state == EnvironmentState::Healthy,
        "reason": reason,
        "mend": lack.map(|lack| &lack.mend),
        "pythonVersion": record.map(|record| record.python.to_string()),
        "interpreter": record.map(|record| path_json(&record.interpreter)),
        "provider": record.and_then(|record| record.provider.as_deref()),
        "model": record.and_then(|record| record.model.as_deref()),
        "packages": packages_json(&status.packages),
        "unmet": status.unmet,
        "sizeBytes": status.size_bytes,
        "lastUsed": status.last_used,
        "servers": servers_in(status, servers).iter().map(|record| &record.id).collect::<Vec<_>>(),
        "users": status.users,
    })
}
