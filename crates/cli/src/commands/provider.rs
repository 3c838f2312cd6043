//! `provider`: what providers and engines need according to `providers.toml`, and what is installed of it.

use std::path::PathBuf;

use anyhow::Result;
use beep_python_runtime::environment::{ProviderPackage, ProviderStatus, VenvManager};
use serde_json::json;

use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::progress::packages::PackagesProgress;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A second `providers.toml`, which takes precedence over the one in the home [default: BEEP_PYTHON_PROVIDERS]
    #[arg(long, global = true, value_name = "FILE")]
    providers: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the providers and engines in `providers.toml`
    #[command(visible_alias = "ls")]
    List,
    /// Create, complete or repair the environment of a provider
    Ensure {
        #[command(flatten)]
        which: Which,
        /// Create an environment without packages for a name that no file declares
        #[arg(long)]
        create: bool,
    },
    /// Show what a provider needs, and what is installed of it
    Packages(Which),
    /// Show the accelerator of this machine, and how it was detected
    Accelerator,
}

#[derive(clap::Args)]
struct Which {
    /// The provider's name; a suffix -cuda, -rocm, -vulkan or -cpu chooses the accelerator
    name: String,
    /// The model that the provider runs
    model: Option<String>,
    /// The name is that of an engine
    #[arg(long, conflicts_with = "model")]
    engine: bool,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitStatus> {
    let environments = context.environments()?;
    let environments = match &args.providers {
        Some(file) => environments.with_providers(file),
        None => environments,
    };
    match &args.command {
        Command::List => list(context, &environments),
        Command::Ensure { which, create } => ensure(context, environments, which, *create),
        Command::Packages(which) => packages(context, &environments, which),
        Command::Accelerator => accelerator(context, &environments),
    }
}

fn list(context: &Context, environments: &VenvManager) -> Result<ExitStatus> {
    let providers = environments.providers()?;
    context.printer.result(json!(providers), || {
        if providers.is_empty() {
            let file = context.home().map(|home| home.root().join("providers.toml").display().to_string());
            let file = file.unwrap_or_else(|_| "providers.toml".into());
            return context.printer.line(format_args!("There is no provider in {file}."));
        }
        let rows = providers.iter().map(|provider| {
            let there = provider.packages.iter().filter(|package| package.satisfied).count();
            vec![
                provider.name.clone(),
                if provider.engine { "engine" } else { "provider" }.into(),
                provider.environment.clone(),
                format!("{there} of {}", provider.packages.len()),
                state_of(provider).into(),
            ]
        });
        context.printer.table(&["NAME", "KIND", "ENVIRONMENT", "PACKAGES", "STATE"], rows.collect());
    });
    Ok(ExitStatus::Success)
}

fn ensure(context: &Context, environments: VenvManager, which: &Which, create: bool) -> Result<ExitStatus> {
    if !create {
        environments.check_declared(&which.name, which.engine)?;
    }
    let environment = {
        let progress = PackagesProgress::new(context);
        let environments = environments.clone().with_progress(progress.sink());
        match which.engine {
            true => environments.ensure_engine_environment(&which.name)?,
            false => environments.ensure_provider_environment(&which.name, which.model.as_deref())?,
        }
    };
    let status = status(&environments, which)?;
    context.printer.result(json!(status), || {
        context.printer.line(format_args!("{} is ready: {}", environment.name, environment.path.display()));
    });
    for package in status.packages.iter().filter(|package| !package.satisfied) {
        let reason = package.reason.as_deref().unwrap_or("it is not installed");
        context.printer.note(format_args!("notice: the optional {} is missing: {reason}", package.requirement));
    }
    Ok(ExitStatus::Success)
}

fn packages(context: &Context, environments: &VenvManager, which: &Which) -> Result<ExitStatus> {
    environments.check_declared(&which.name, which.engine)?;
    let status = status(environments, which)?;
    context.printer.result(json!(status), || {
        let printer = &context.printer;
        printer.line(format_args!("{}: {}, {}", status.name, status.environment, state_of(&status)));
        if !status.features.is_empty() {
            printer.line(format_args!("set up: {}", status.features.join(", ")));
        }
        if status.packages.is_empty() {
            return printer.line("It needs no packages.");
        }
        let rows = status.packages.iter().map(|package| {
            let optional = if package.optional { "optional" } else { "" };
            let installed = package.installed.clone().unwrap_or_default();
            vec![package.requirement.clone(), installed, state_of_package(package), optional.into()]
        });
        printer.table(&["NEEDED", "INSTALLED", "STATE", ""], rows.collect());
    });
    Ok(if status.ready { ExitStatus::Success } else { ExitStatus::Failure })
}

fn status(environments: &VenvManager, which: &Which) -> Result<ProviderStatus> {
    Ok(match which.engine {
        true => environments.engine_status(&which.name)?,
        false => environments.provider_status(&which.name, which.model.as_deref())?,
    })
}

fn accelerator(context: &Context, environments: &VenvManager) -> Result<ExitStatus> {
    let detected = environments.detect_accelerator();
    context.printer.result(json!(detected), || {
        context.printer.line(format_args!("{}: {}", detected.accelerator, detected.reason));
    });
    Ok(ExitStatus::Success)
}

fn state_of(provider: &ProviderStatus) -> &'static str {
    match (&provider.path, provider.ready) {
        (None, _) => "not created",
        (Some(_), false) => "incomplete",
        (Some(_), true) => "ready",
    }
}

fn state_of_package(package: &ProviderPackage) -> String {
    match (package.satisfied, &package.installed, &package.reason) {
        (true, ..) => "installed".into(),
        (false, _, Some(reason)) => format!("missing: {reason}"),
        (false, None, None) => "missing".into(),
        (false, Some(_), None) => "another version, or dependencies are missing".into(),
    }
}
