//! `runtime`: the Pythons that are installed, that the machine has, and that can be downloaded.

use std::collections::HashSet;

use anyhow::Result;
use beep_python_runtime::interpreter::{
    CatalogueEntry, Installed, Interpreter, Platform, Runtime, RuntimeState, VersionRequest,
};
use serde_json::json;

use super::init::SourceArgs;
use crate::Ended;
use crate::complaint::Complaint;
use crate::context::Context;
use crate::progress::InstallProgress;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List Pythons: installed, of this machine, and those that can be downloaded
    List,
    /// Install a Python beside the others
    Install {
        /// Which: 3.12, 3.12.7, ">=3.11"
        #[arg(value_name = "VERSION")]
        python: VersionRequest,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Make a runtime the default
    Use {
        /// Its id, as `runtime list` shows it
        id: String,
    },
    /// Remove a runtime; one of this machine is only forgotten
    Remove {
        /// Its id, as `runtime list` shows it
        id: String,
        /// Remove it though environments were made with it, which do not run afterwards
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Ended> {
    match command {
        Command::List => list(context).await,
        Command::Install { python, source } => install(context, &python, source).await,
        Command::Use { id } => choose(context, &id),
        Command::Remove { id, yes } => remove(context, &id, yes),
    }
}

async fn list(context: &Context) -> Result<Ended> {
    let manager = context.runtimes()?;
    let runtimes = manager.list()?;
    let known: HashSet<_> = runtimes.iter().map(|runtime| &runtime.path).collect();
    let found: Vec<Interpreter> =
        manager.discover()?.into_iter().filter(|found| !known.contains(&found.path)).collect();
    let catalogue = manager.catalogue().await?;
    let installed: HashSet<_> = runtimes.iter().map(|runtime| runtime.id.as_str()).collect();
    let mut downloadable = catalogue.for_platform(&Platform::host());
    downloadable.retain(|entry| !installed.contains(entry.name.as_str()));

    let fact = json!({
        "runtimes": runtimes.iter().map(runtime_fact).collect::<Vec<_>>(),
        "found": found.iter().map(|python| json!({"version": python.version.to_string(), "path": python.path})).collect::<Vec<_>>(),
        "downloadable": downloadable.iter().map(|entry| json!({"id": entry.name, "version": entry.version.to_string(), "url": entry.url})).collect::<Vec<_>>(),
    });
    context.printer.fact(fact, || print_list(context, &runtimes, &found, &downloadable));
    Ok(Ended::Done)
}

fn print_list(context: &Context, runtimes: &[Runtime], found: &[Interpreter], downloadable: &[&CatalogueEntry]) {
    let mut rows = Vec::new();
    for runtime in runtimes {
        let kind = if runtime.is_managed() { "installed" } else { "adopted" };
        let state = match &runtime.state {
            RuntimeState::Ready if runtime.is_default => "default".to_owned(),
            RuntimeState::Ready => String::new(),
            RuntimeState::Broken { reason } => format!("broken: {reason}"),
        };
        let version = runtime.version.map(|version| version.to_string()).unwrap_or_default();
        rows.push(vec![version, kind.into(), runtime.id.clone(), state, runtime.path.display().to_string()]);
    }
    for python in found {
        let path = python.path.display().to_string();
        rows.push(vec![python.version.to_string(), "on this machine".into(), String::new(), String::new(), path]);
    }
    for entry in downloadable {
        let id = entry.name.clone();
        rows.push(vec![entry.version.to_string(), "to download".into(), id, String::new(), String::new()]);
    }
    context.printer.table(&["VERSION", "KIND", "ID", "STATE", "PATH"], rows);
}

async fn install(context: &Context, python: &VersionRequest, source: SourceArgs) -> Result<Ended> {
    let installed = {
        let mut progress = InstallProgress::new(&context.printer);
        context.runtimes()?.install(python, &source.into_source(), &mut |stage| progress.show(stage)).await?
    };
    let Installed { runtime, new, checked } = installed;
    let printer = &context.printer;
    let mut fact = runtime_fact(&runtime);
    fact["new"] = new.into();
    fact["checked"] = checked.into();
    printer.fact(fact, || {
        let how = if new { "Installed" } else { "Already installed:" };
        printer.line(format_args!("{how} {} at {}", runtime.id, runtime.path.display()));
    });
    if !checked {
        printer.note("notice: the archive's SHA-256 is not known and was not checked; --sha256 names one.");
    }
    Ok(Ended::Done)
}

fn choose(context: &Context, id: &str) -> Result<Ended> {
    let manager = context.runtimes()?;
    manager.set_default(id)?;
    let runtime = manager.get(id)?;
    context.printer.fact(runtime_fact(&runtime), || context.printer.line(format_args!("{id} is the default now")));
    Ok(Ended::Done)
}

fn remove(context: &Context, id: &str, yes: bool) -> Result<Ended> {
    let manager = context.runtimes()?;
    let runtime = manager.get(id)?;
    if runtime.is_managed() && !yes {
        let folder = context.home()?.runtimes()?.join(id);
        let made_with = |status: &beep_python_runtime::environment::EnvironmentStatus| {
            status.record.as_ref().is_some_and(|record| record.interpreter.starts_with(&folder))
        };
        let environments = context.environments()?.list()?;
        let environments: Vec<_> = environments.into_iter().filter(made_with).map(|status| status.name).collect();
        if !environments.is_empty() {
            return Err(Complaint::RuntimeInUse { id: id.into(), environments }.into());
        }
    }
    manager.remove(id)?;
    let done = if runtime.is_managed() { "removed" } else { "forgotten" };
    let fact = json!({"id": id, "done": done});
    context.printer.fact(fact, || context.printer.line(format_args!("{id} is {done}")));
    Ok(Ended::Done)
}

fn runtime_fact(runtime: &Runtime) -> serde_json::Value {
    let reason = match &runtime.state {
        RuntimeState::Ready => None,
        RuntimeState::Broken { reason } => Some(reason),
    };
    json!({
        "id": runtime.id,
        "version": runtime.version.map(|version| version.to_string()),
        "path": runtime.path,
        "managed": runtime.is_managed(),
        "default": runtime.is_default,
        "ready": reason.is_none(),
        "reason": reason,
    })
}
