//! `bundle`: a runtime and packages in one file, for machines without a network.

use std::path::PathBuf;

use anyhow::Result;
use beep_python_runtime::environment::{BundleContent, BundleManifest, BundleOptions, Requirements};
use beep_python_runtime::interpreter::{Platform, Source, VersionRequest};
use indicatif::HumanBytes;
use serde_json::json;

use super::venv::describe::{package_list, packages_json};
use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::printer::path_json;
use crate::progress::install::InstallProgress;
use crate::progress::packages::PackagesProgress;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Pack a runtime, wheels and their lock into a file, for this platform or another one
    Create(Create),
    /// Create the environment of a bundle, without a network
    Install {
        /// The bundle
        file: PathBuf,
        /// The name of the environment [default: the one in the bundle]
        name: Option<String>,
        /// The expected SHA-256 of the bundle; `bundle create` prints it
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
    },
    /// Show the contents of a bundle
    Show {
        /// The bundle
        file: PathBuf,
    },
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// The file to create
    file: PathBuf,
    /// The Python: 3.12, 3.12.7, ">=3.11"; installed where it is missing [default: the default runtime]
    #[arg(long, value_name = "VERSION")]
    python: Option<VersionRequest>,
    /// Pack what this provider needs, according to `providers.toml`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["packages", "requirements"])]
    provider: Option<String>,
    /// The model that the provider runs
    #[arg(long, requires = "provider")]
    model: Option<String>,
    /// A second `providers.toml`, which takes precedence over the one in the home [default: BEEP_PYTHON_PROVIDERS]
    #[arg(long, value_name = "FILE")]
    providers: Option<PathBuf>,
    /// Pack the packages of this requirements file; repeatable
    #[arg(short, long, value_name = "FILE")]
    requirements: Vec<PathBuf>,
    /// Pack this package and its dependencies; repeatable
    #[arg(long = "with", value_name = "PKG")]
    packages: Vec<String>,
    /// The name of the environment
    #[arg(long)]
    name: Option<String>,
    /// Pack for this platform, such as linux-aarch64-gnu [default: this machine's]. Its runtime is downloaded, and every
    /// package needs a wheel for it
    #[arg(long, value_name = "PLATFORM", value_parser = str::parse::<Platform>)]
    platform: Option<Platform>,
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<ExitStatus> {
    match command {
        Command::Create(args) => create(context, args).await,
        Command::Install { file, name, sha256 } => install(context, &file, name.as_deref(), sha256.as_deref()).await,
        Command::Show { file } => {
            let manifest = context.environments()?.read_bundle(&file)?;
            context.printer.result(json!(manifest), || describe(context, &manifest));
            Ok(ExitStatus::Success)
        }
    }
}

async fn create(context: &Context, args: Create) -> Result<ExitStatus> {
    let content = match args.provider {
        Some(name) => BundleContent::Provider { name, model: args.model },
        None => {
            let mut wanted = Requirements::new(&args.packages)?;
            for file in &args.requirements {
                wanted = wanted.and_file(file)?;
            }
            BundleContent::Packages(wanted)
        }
    };
    let elsewhere = args.platform.filter(|platform| *platform != Platform::host());
    if let (Some(request), None) = (&args.python, &elsewhere) {
        let runtimes = context.runtimes()?;
        let found = runtimes.find(request)?;
        if !found.is_some_and(|runtime| runtime.is_managed()) && !matches!(request, VersionRequest::Path(_)) {
            let mut progress = InstallProgress::new(&context.printer);
            runtimes.install(request, &Source::Default, &mut |stage| progress.show(stage)).await?;
        }
    }
    let environments = context.environments()?;
    let environments = match args.providers {
        Some(file) => environments.with_providers(file),
        None => environments,
    };
    if let BundleContent::Provider { name, .. } = &content {
        environments.check_declared(name, false)?;
    }
    let manifest = {
        let progress = PackagesProgress::new(context);
        let options = BundleOptions { python: args.python, content, name: args.name };
        let environments = environments.with_progress(progress.sink());
        match &elsewhere {
            None => environments.create_bundle(&args.file, &options)?,
            Some(platform) => {
                let mut fetching = InstallProgress::new(&context.printer);
                let show = &mut |stage| fetching.show(stage);
                environments.create_bundle_for(platform, &args.file, &options, show).await?
            }
        }
    };
    let sha256 = beep_python_runtime::interpreter::hash_file(&args.file)?;
    let mut json = json!(manifest);
    json["file"] = path_json(&args.file);
    json["sha256"] = sha256.clone().into();
    context.printer.result(json, || {
        describe(context, &manifest);
        context.printer.line(format_args!("Created {}, with the SHA-256 {sha256}", args.file.display()));
    });
    Ok(ExitStatus::Success)
}

async fn install(
    context: &Context,
    file: &std::path::Path,
    name: Option<&str>,
    sha256: Option<&str>,
) -> Result<ExitStatus> {
    let installed = {
        let mut progress = InstallProgress::new(&context.printer);
        let environments = context.environments()?;
        environments.install_bundle(file, name, sha256, &mut |stage| progress.show(stage)).await?
    };
    let environment = &installed.environment;
    let packages = &installed.packages;
    let json = json!({
        "name": environment.name,
        "path": path_json(&environment.path),
        "runtime": installed.runtime,
        "newRuntime": installed.new_runtime,
        "packages": packages_json(packages),
    });
    context.printer.result(json, || {
        let printer = &context.printer;
        printer.line(format_args!(
            "Created the environment {} with {}: {}",
            environment.name,
            installed.runtime,
            environment.path.display()
        ));
        if !packages.is_empty() {
            printer.line(format_args!("Installed into {}: {}", environment.name, package_list(packages)));
        }
    });
    Ok(ExitStatus::Success)
}

fn describe(context: &Context, manifest: &BundleManifest) {
    let size: u64 = manifest.files().map(|file| file.size).sum();
    let printer = &context.printer;
    printer.line(format_args!("Python {} for {}, {}", manifest.python, manifest.platform, HumanBytes(size)));
    for wheel in &manifest.wheels {
        printer.line(format_args!("  {} ({})", wheel.name, HumanBytes(wheel.size)));
    }
}
