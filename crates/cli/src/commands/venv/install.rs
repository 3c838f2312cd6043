//! `venv install`, `venv uninstall`, `venv packages`.

use std::path::PathBuf;

use anyhow::Result;
use beep_python_runtime::environment::{Installed, OwedPackage, Package, Requirements};
use serde_json::{Value, json};

use super::describe::{change_list, changes_json, package_list, packages_json};
use super::options::InstallArgs;
use crate::context::Context;
use crate::environment::environment_for;
use crate::exit_status::ExitStatus;
use crate::printer::path_json;

pub(super) fn install(
    context: &Context,
    name: &str,
    packages: &[String],
    editable: &[String],
    files: &[PathBuf],
    install: &InstallArgs,
) -> Result<ExitStatus> {
    let mut wanted = Requirements::new(packages)?;
    for package in editable {
        wanted = wanted.and_editable(package)?;
    }
    for file in files {
        wanted = wanted.and_file(file)?;
    }
    let environment = environment_for(context, Some(name))?;
    let tell = &install.source.tell;
    let progress = tell.progress(context);
    let environments = context.environments()?.with_progress(progress.sink()).with_install_options(install.options());
    let installed = environments.install(&environment, &wanted)?;
    drop(progress);
    let json = json!({
        "name": environment.name,
        "path": path_json(&environment.path),
        "installed": packages_json(&installed.packages),
        "changed": changes_json(&installed.changed, &installed.replaced),
        "tool": installed.tool,
        "owed": owed_json(&installed),
        "notices": installed.notices,
    });
    context.printer.result(json, || {
        if !tell.quiet {
            say_installed(context, &environment.name, &installed);
        }
    });
    say_notices(context, &installed);
    Ok(ExitStatus::Success)
}

pub(super) fn say_installed(context: &Context, name: &str, installed: &Installed) {
    match installed.changed.is_empty() {
        // Of a folder, and of a file that only the tool understands, the packages are not known by name.
        true if installed.packages.is_empty() => {
            context.printer.line(format_args!("Nothing to do, {name} has what was asked for"))
        }
        true => {
            context.printer.line(format_args!("Nothing to do, {name} has it: {}", package_list(&installed.packages)))
        }
        false => context
            .printer
            .line(format_args!("Installed into {name}: {}", change_list(&installed.changed, &installed.replaced))),
    }
}

/// What the user should know beside the result.
pub(super) fn say_notices(context: &Context, installed: &Installed) {
    for notice in &installed.notices {
        context.printer.note(format_args!("notice: {notice}"));
    }
    for OwedPackage { package, reason } in &installed.owed {
        let Package { name, version } = package;
        context
            .printer
            .note(format_args!("notice: {name} {version} is damaged, and cannot be installed again: {reason}"));
    }
}

pub(super) fn owed_json(installed: &Installed) -> Value {
    let owed = installed.owed.iter();
    owed.map(|owed| json!({"name": owed.package.name, "version": owed.package.version, "reason": owed.reason}))
        .collect()
}

pub(super) fn uninstall(context: &Context, name: &str, packages: &[String], quiet: bool) -> Result<ExitStatus> {
    let environment = environment_for(context, Some(name))?;
    let removed = context.environments()?.uninstall(&environment, packages)?;
    let json = json!({
        "name": environment.name,
        "path": path_json(&environment.path),
        "removed": packages_json(&removed.packages),
        "absent": removed.absent,
        "orphaned": removed.orphaned,
    });
    context.printer.result(json, || match removed.packages.is_empty() {
        _ if quiet => {}
        true => context.printer.line(format_args!("Nothing to do, {} has none of them", environment.name)),
        false => {
            let removed = package_list(&removed.packages);
            context.printer.line(format_args!("Removed from {}: {removed}", environment.name));
        }
    });
    if quiet {
        return Ok(ExitStatus::Success);
    }
    for name in &removed.absent {
        context.printer.note(format_args!("notice: {name} was not installed"));
    }
    for requirement in &removed.orphaned {
        context.printer.note(format_args!("notice: {requirement}"));
    }
    Ok(ExitStatus::Success)
}

pub(super) fn packages(context: &Context, name: &str) -> Result<ExitStatus> {
    let environment = environment_for(context, Some(name))?;
    let packages = context.environments()?.packages(&environment);
    context.printer.result(packages_json(&packages), || {
        if packages.is_empty() {
            return context.printer.line(format_args!("{} has no packages.", environment.name));
        }
        let rows = packages.iter().map(|package| vec![package.name.clone(), package.version.clone()]);
        context.printer.table(&["PACKAGE", "VERSION"], rows.collect());
    });
    Ok(ExitStatus::Success)
}
