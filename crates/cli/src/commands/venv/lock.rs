//! `venv lock`, `venv sync`.

use std::path::Path;

use anyhow::Result;
use beep_python_runtime::platform::{failed_to, replace_file};
use serde_json::json;

use super::describe::{change_list, changes_json, package_list, packages_json};
use super::options::SourceArgs;
use crate::context::Context;
use crate::environment::environment_for;
use crate::exit_status::ExitStatus;
use crate::printer::path_json;
use crate::progress::packages::PackagesProgress;

pub(super) fn lock(context: &Context, name: &str, output: Option<&Path>) -> Result<ExitStatus> {
    let environment = environment_for(context, Some(name))?;
    let progress = PackagesProgress::new(context);
    let text = context.environments()?.with_progress(progress.sink()).lock_packages(&environment)?;
    drop(progress);
    if output == Some(Path::new("-")) {
        context.printer.raw(&text);
        return Ok(ExitStatus::Success);
    }
    let path = output.map_or_else(|| environment.lock_file(), Path::to_owned);
    let path = std::path::absolute(&path).map_err(failed_to("find", &path))?;
    match output {
        // Outside of the environment, with the usual permissions.
        Some(_) => std::fs::write(&path, text).map_err(failed_to("write", &path))?,
        None => replace_file(&path, text.as_bytes())?,
    }
    let count = context.environments()?.packages(&environment).len();
    let json = json!({"name": environment.name, "lock": path_json(&path), "packages": count});
    context.printer.result(json, || {
        let packages = if count == 1 { "package" } else { "packages" };
        context.printer.line(format_args!("Locked {count} {packages} of {}: {}", environment.name, path.display()));
    });
    Ok(ExitStatus::Success)
}

pub(super) fn sync(context: &Context, name: &str, file: Option<&Path>, source: &SourceArgs) -> Result<ExitStatus> {
    let environment = environment_for(context, Some(name))?;
    let file = file.map_or_else(|| environment.lock_file(), Path::to_owned);
    let progress = source.tell.progress(context);
    let environments = context.environments()?.with_progress(progress.sink()).with_install_options(source.options());
    let synced = environments.sync_packages(&environment, &file)?;
    drop(progress);
    let json = json!({
        "name": environment.name,
        "path": path_json(&environment.path),
        "changed": changes_json(&synced.changed, &synced.replaced),
        "removed": packages_json(&synced.removed),
        "tool": synced.tool,
        "notices": synced.notices,
    });
    context.printer.result(json, || {
        if source.tell.quiet {
            return;
        }
        let say = |done: &str, packages: String| {
            if !packages.is_empty() {
                context.printer.line(format_args!("{done} {}: {packages}", environment.name));
            }
        };
        say("Installed into", change_list(&synced.changed, &synced.replaced));
        say("Removed from", package_list(&synced.removed));
        if synced.changed.is_empty() && synced.removed.is_empty() {
            context.printer.line(format_args!("Nothing to do, {} matches the lock", environment.name));
        }
    });
    for notice in &synced.notices {
        context.printer.note(format_args!("notice: {notice}"));
    }
    Ok(ExitStatus::Success)
}
