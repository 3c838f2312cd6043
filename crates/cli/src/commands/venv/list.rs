//! `venv list`, `venv status`.

use anyhow::Result;
use beep_python_runtime::environment::{EnvironmentState, EnvironmentStatus};
use serde_json::{Value, json};

use crate::Ended;
use crate::context::Context;

pub(super) fn list(context: &Context) -> Result<Ended> {
    let environments = context.environments()?.list()?;
    let fact = environments.iter().map(status_fact).collect();
    context.printer.fact(fact, || {
        if environments.is_empty() {
            return context.printer.line("There is no environment.");
        }
        let rows = environments.iter().map(|status| {
            let python = status.record.as_ref().map(|record| record.python.to_string()).unwrap_or_default();
            let packages = status.packages.len().to_string();
            vec![status.name.clone(), python, packages, state_of(&status.state).0, status.path.display().to_string()]
        });
        context.printer.table(&["NAME", "PYTHON", "PACKAGES", "STATE", "PATH"], rows.collect());
    });
    Ok(Ended::Done)
}

pub(super) fn status(context: &Context, name: &str) -> Result<Ended> {
    let status = context.environments()?.status(name)?;
    let (word, reason) = state_of(&status.state);
    context.printer.fact(status_fact(&status), || {
        let mut rows =
            vec![("name", status.name.clone()), ("path", status.path.display().to_string()), ("state", word)];
        rows.extend(reason.map(|reason| ("reason", reason)));
        if let Some(record) = &status.record {
            rows.push(("python", format!("{}, {}", record.python, record.interpreter.display())));
            rows.extend(record.provider.clone().map(|provider| ("provider", provider)));
            rows.extend(record.model.clone().map(|model| ("model", model)));
        }
        rows.extend(status.size_bytes.map(|bytes| ("size", indicatif::HumanBytes(bytes).to_string())));
        let packages = status.packages.iter().map(|package| format!("{} {}", package.name, package.version));
        rows.push((
            "packages",
            if status.packages.is_empty() { "none".into() } else { packages.collect::<Vec<_>>().join(", ") },
        ));
        for (name, value) in rows {
            context.printer.line(format_args!("{:<10}{value}", format_args!("{name}:").to_string()));
        }
    });
    Ok(if status.state == EnvironmentState::Healthy { Ended::Done } else { Ended::Failed })
}

/// The state in a word or two, and why it is so.
pub(crate) fn state_of(state: &EnvironmentState) -> (String, Option<String>) {
    match state {
        EnvironmentState::Healthy => ("healthy".into(), None),
        EnvironmentState::NotOurs { reason } => ("not ours".into(), Some(reason.clone())),
        EnvironmentState::InterpreterGone { interpreter, reason } => {
            ("interpreter gone".into(), Some(format!("{}: {reason}", interpreter.display())))
        }
        EnvironmentState::InterpreterChanged { interpreter, was, is } => {
            let reason = format!("{} was Python {was} and is {is} now", interpreter.display());
            ("interpreter changed".into(), Some(reason))
        }
        EnvironmentState::DoesNotRun { reason } => ("does not run".into(), Some(reason.clone())),
        EnvironmentState::PackagesDamaged { reason, .. } => ("packages damaged".into(), Some(reason.clone())),
    }
}

fn status_fact(status: &EnvironmentStatus) -> Value {
    let record = status.record.as_ref();
    let (word, reason) = state_of(&status.state);
    json!({
        "name": status.name,
        "path": status.path,
        "state": word,
        "usable": status.state == EnvironmentState::Healthy,
        "reason": reason,
        "pythonVersion": record.map(|record| record.python.to_string()),
        "interpreter": record.map(|record| &record.interpreter),
        "provider": record.and_then(|record| record.provider.as_deref()),
        "model": record.and_then(|record| record.model.as_deref()),
        "packages": status.packages.iter().map(|p| json!({"name": p.name, "version": p.version})).collect::<Vec<_>>(),
        "sizeBytes": status.size_bytes,
    })
}
