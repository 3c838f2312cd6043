//! `venv lock`, `venv sync`.

use std::path::Path;

use anyhow::Result;
use beep_python_runtime::environment::Package;
use beep_python_runtime::platform::{failed_to, replace_file};
use serde_json::json;

use super::packages_fact;
use crate::Ended;
use crate::context::Context;
use crate::environment::environment_for;
use crate::progress::packages::PackagesProgress;

pub(super) fn lock(context: &Context, name: &str, output: Option<&Path>) -> Result<Ended> {
    let environment = environment_for(context, Some(name))?;
    let progress = PackagesProgress::new();
    let text = context.environments()?.with_progress(progress.sink()).lock_packages(&environment)?;
    drop(progress);
    if output == Some(Path::new("-")) {
        context.printer.raw(&text);
        return Ok(Ended::Done);
    }
    let path = output.map_or_else(|| environment.lock_file(), Path::to_owned);
    let path = std::path::absolute(&path).map_err(failed_to("find", &path))?;
    match output {
        // Others may read what is written elsewhere.
        Some(_) => std::fs::write(&path, text).map_err(failed_to("write", &path))?,
        None => replace_file(&path, text.as_bytes())?,
    }
    let count = context.environments()?.packages(&environment).len();
    let fact = json!({"name": environment.name, "lock": path, "packages": count});
    context.printer.fact(fact, || {
        let packages = if count == 1 { "package" } else { "packages" };
        context.printer.line(format_args!("Locked {count} {packages} of {}: {}", environment.name, path.display()));
    });
    Ok(Ended::Done)
}

pub(super) fn sync(context: &Context, name: &str, file: Option<&Path>) -> Result<Ended> {
    let environment = environment_for(context, Some(name))?;
    let file = file.map_or_else(|| environment.lock_file(), Path::to_owned);
    let progress = PackagesProgress::new();
    let synced = context.environments()?.with_progress(progress.sink()).sync_packages(&environment, &file)?;
    drop(progress);
    let fact = json!({
        "name": environment.name,
        "path": environment.path,
        "changed": packages_fact(&synced.changed),
        "removed": packages_fact(&synced.removed),
        "tool": synced.tool,
    });
    context.printer.fact(fact, || {
        let say = |done: &str, packages: &[Package]| {
            let names: Vec<String> = packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
            if !names.is_empty() {
                context.printer.line(format_args!("{done} {}: {}", environment.name, names.join(", ")));
            }
        };
        say("Installed into", &synced.changed);
        say("Removed from", &synced.removed);
        if synced.changed.is_empty() && synced.removed.is_empty() {
            context.printer.line(format_args!("Nothing to do, {} is as the lock says", environment.name));
        }
    });
    Ok(Ended::Done)
}
