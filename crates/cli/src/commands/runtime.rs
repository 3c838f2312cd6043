//! `runtime`: Pythons that are installed, found on this machine, or available for download.

use std::collections::HashSet;

use anyhow::Result;
use beep_python_runtime::environment::EnvironmentStatus;
use beep_python_runtime::interpreter::{
    CatalogueEntry, Installed, Interpreter, Platform, PythonRuntimeManager, Runtime, RuntimeError, RuntimeState,
    Source, VersionRequest,
};
use futures_util::future::join_all;
use indicatif::MultiProgress;
use serde_json::{Value, json};

use super::init::SourceArgs;
use crate::context::Context;
use crate::environment::warn_default_python;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::printer::path_json;
use crate::progress::install::InstallProgress;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List Pythons: installed, found on this machine, and available for download
    #[command(visible_alias = "ls")]
    List {
        /// Every version available for download, including free-threaded builds and other platforms
        #[arg(long)]
        all: bool,
    },
    /// Install Python runtimes, several at once
    Install {
        /// The versions: 3.12, 3.12.7, ">=3.11"; 3.13t for a free-threaded build
        #[arg(value_name = "VERSION", required = true)]
        pythons: Vec<VersionRequest>,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Make a runtime the default
    Use {
        /// Its id from `runtime list`, or a version; a Python of this machine is adopted
        id: String,
    },
    /// Remove runtimes; an adopted one is only forgotten
    #[command(visible_alias = "rm", alias = "uninstall")]
    Remove {
        /// Their ids from `runtime list`, or versions
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
        /// Remove them even if environments need them, which then stop working
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<ExitStatus> {
    match command {
        Command::List { all } => list(context, all).await,
        Command::Install { pythons, source } => install(context, &pythons, &source.into_source()).await,
        Command::Use { id } => choose(context, &id),
        Command::Remove { ids, yes } => remove(context, &ids, yes),
    }
}

async fn list(context: &Context, all: bool) -> Result<ExitStatus> {
    let manager = context.runtimes()?;
    let runtimes = manager.list()?;
    let known: HashSet<_> = runtimes.iter().map(|runtime| &runtime.path).collect();
    let found: Vec<Interpreter> =
        manager.discover()?.into_iter().filter(|found| !known.contains(&found.path)).collect();
    let catalogue = manager.catalogue().await?;
    let installed: HashSet<_> = runtimes.iter().map(|runtime| runtime.id.as_str()).collect();
    let host = Platform::host();
    let mut downloadable = match all {
        false => catalogue.newest_for_platform(&host),
        true => {
            // Versions for this machine first.
            let other = catalogue.releases.iter().filter(|entry| entry.platform != host);
            catalogue.for_platform(&host).into_iter().chain(other).collect()
        }
    };
    downloadable.retain(|entry| !installed.contains(entry.name.as_str()));

    let json = json!({
        "runtimes": runtimes.iter().map(runtime_json).collect::<Vec<_>>(),
        "found": found.iter().map(|python| json!({
            "version": python.version.to_string(),
            "path": path_json(&python.path),
            "freeThreaded": python.free_threaded,
        })).collect::<Vec<_>>(),
        "downloadable": downloadable.iter().map(|entry| json!({
            "id": entry.name,
            "version": entry.version.to_string(),
            "platform": entry.platform.to_string(),
            "freeThreaded": entry.free_threaded,
            "url": entry.url,
        })).collect::<Vec<_>>(),
    });
    context.printer.result(json, || {
        print_list(context, &runtimes, &found, &downloadable);
        if !all && !context.printer.is_json() {
            context
                .printer
                .note("Available for download: the newest of each minor version; --all shows every version.");
        }
    });
    Ok(ExitStatus::Success)
}

fn print_list(context: &Context, runtimes: &[Runtime], found: &[Interpreter], downloadable: &[&CatalogueEntry]) {
    let shown = |version: String, free_threaded: bool| if free_threaded { format!("{version}t") } else { version };
    let mut rows = Vec::new();
    for runtime in runtimes {
        let kind = if runtime.is_managed() { "installed" } else { "adopted" };
        let state = match &runtime.state {
            RuntimeState::Ready if runtime.is_default => "default".to_owned(),
            RuntimeState::Ready => String::new(),
            RuntimeState::Broken { reason } => format!("broken: {reason}"),
        };
        let version = runtime.version.map(|version| version.to_string()).unwrap_or_default();
        let version = shown(version, runtime.interpreter.as_ref().is_some_and(|python| python.free_threaded));
        rows.push(vec![version, kind.into(), runtime.id.clone(), state, runtime.path.display().to_string()]);
    }
    for python in found {
        let path = python.path.display().to_string();
        let version = shown(python.version.to_string(), python.free_threaded);
        rows.push(vec![version, "on this machine".into(), String::new(), String::new(), path]);
    }
    let host = Platform::host();
    for entry in downloadable {
        let kind = if entry.platform == host { "to download" } else { "for another platform" };
        let version = shown(entry.version.to_string(), entry.free_threaded);
        rows.push(vec![version, kind.into(), entry.name.clone(), String::new(), String::new()]);
    }
    context.printer.table(&["VERSION", "KIND", "ID", "STATE", "PATH"], rows);
}

/// Installs all at once. A failure is reported and does not stop the others.
async fn install(context: &Context, pythons: &[VersionRequest], source: &Source) -> Result<ExitStatus> {
    let manager = context.runtimes()?;
    let printer = &context.printer;
    let mut outcomes = match pythons {
        [python] => {
            let mut progress = InstallProgress::new(printer);
            vec![manager.install(python, source, &mut |stage| progress.show(stage)).await]
        }
        several => {
            let bars = MultiProgress::new();
            let each = several.iter().map(|python| {
                let mut progress = InstallProgress::among(&bars, printer, &python.to_string());
                let manager = &manager;
                async move { manager.install(python, source, &mut |stage| progress.show(stage)).await }
            });
            join_all(each).await
        }
    };
    let entries = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).map(installed_json).collect();
    printer.result(entries, || {
        for Installed { runtime, new, .. } in outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()) {
            let how = if *new { "Installed" } else { "Already installed:" };
            printer.line(format_args!("{how} {} at {}", runtime.id, runtime.path.display()));
        }
    });
    if outcomes.iter().any(|outcome| outcome.as_ref().is_ok_and(|installed| !installed.checked)) {
        printer.note("notice: the archive's SHA-256 is unknown and was not checked; pass it with --sha256.");
    }
    let mut failures: Vec<RuntimeError> = outcomes.drain(..).filter_map(Result::err).collect();
    // `main` prints the last one.
    let Some(last) = failures.pop() else { return Ok(ExitStatus::Success) };
    for failure in failures {
        printer.error(&failure.into(), None);
    }
    Err(last.into())
}

fn installed_json(installed: &Installed) -> Value {
    let mut json = runtime_json(&installed.runtime);
    json["new"] = installed.new.into();
    json["checked"] = installed.checked.into();
    json
}

fn choose(context: &Context, name: &str) -> Result<ExitStatus> {
    let manager = context.runtimes()?;
    let runtime = match manager.named(name) {
        Err(unknown @ RuntimeError::UnknownRuntime { .. }) => match of_machine(&manager, name)? {
            Some(python) => manager.adopt(&python)?,
            None => return Err(unknown.into()),
        },
        found => found?,
    };
    manager.set_default(&runtime.id)?;
    let runtime = manager.get(&runtime.id)?;
    let said = format!("{} is the default now", runtime.id);
    context.printer.result(runtime_json(&runtime), || context.printer.line(said));
    warn_default_python(context, &runtime);
    Ok(ExitStatus::Success)
}

/// A Python of this machine that `name` means.
fn of_machine(manager: &PythonRuntimeManager, name: &str) -> Result<Option<Interpreter>> {
    Ok(match name.parse::<VersionRequest>() {
        Ok(request) => manager.interpreter(Some(&request))?,
        Err(_) => None,
    })
}

fn remove(context: &Context, names: &[String], yes: bool) -> Result<ExitStatus> {
    let manager = context.runtimes()?;
    let mut runtimes = Vec::new();
    for name in names {
        let runtime = manager.named(name)?;
        if !runtimes.iter().any(|other: &Runtime| other.id == runtime.id) {
            runtimes.push(runtime);
        }
    }
    // Remove all or none.
    if !yes && runtimes.iter().any(Runtime::is_managed) {
        let environments = context.environments()?.list()?;
        for runtime in runtimes.iter().filter(|runtime| runtime.is_managed()) {
            let folder = context.home()?.runtimes()?.join(&runtime.id);
            let environments = made_with(&environments, &folder);
            if !environments.is_empty() {
                return Err(CliError::RuntimeInUse { id: runtime.id.clone(), environments }.into());
            }
        }
    }
    let mut entries = Vec::new();
    let printer = &context.printer;
    for runtime in &runtimes {
        manager.remove(&runtime.id)?;
        let done = if runtime.is_managed() { "removed" } else { "forgotten" };
        entries.push(json!({"id": runtime.id, "done": done}));
    }
    printer.result(entries.clone().into(), || {
        for json in &entries {
            let (id, done) = (json["id"].as_str().unwrap_or_default(), json["done"].as_str().unwrap_or_default());
            printer.line(format_args!("{id} is {done}"));
        }
    });
    Ok(ExitStatus::Success)
}

/// The names of the environments whose Python lies in `folder`. The home's path may contain links; theirs do not.
fn made_with(environments: &[EnvironmentStatus], folder: &std::path::Path) -> Vec<String> {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let within = |status: &&EnvironmentStatus| {
        let record = status.record.as_ref();
        record.is_some_and(|record| record.interpreter.starts_with(folder) || record.interpreter.starts_with(&real))
    };
    environments.iter().filter(within).map(|status| status.name.clone()).collect()
}

fn runtime_json(runtime: &Runtime) -> Value {
    let reason = match &runtime.state {
        RuntimeState::Ready => None,
        RuntimeState::Broken { reason } => Some(reason),
    };
    json!({
        "id": runtime.id,
        "version": runtime.version.map(|version| version.to_string()),
        "path": path_json(&runtime.path),
        "managed": runtime.is_managed(),
        "freeThreaded": runtime.interpreter.as_ref().map(|python| python.free_threaded),
        "default": runtime.is_default,
        "ready": reason.is_none(),
        "reason": reason,
    })
}
