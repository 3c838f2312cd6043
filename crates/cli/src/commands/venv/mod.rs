//! `venv`: virtual environments.

mod admin;
mod copy;
mod create;
mod delete;
pub(crate) mod describe;
mod install;
mod list;
mod lock;
mod prune;
mod repair;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use beep_python_runtime::interpreter::VersionRequest;

use crate::context::Context;
use crate::exit_status::ExitStatus;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create an environment
    Create {
        /// Its name; with MODEL, the name of a provider
        name: String,
        /// The model that the provider runs; the environment gets the name that `provider ensure` uses, which fills it
        model: Option<String>,
        /// The Python: 3.12, 3.12.7, ">=3.11", or a path [default: the default runtime]
        #[arg(long, value_name = "VERSION")]
        python: Option<VersionRequest>,
        /// Install this package and its dependencies; repeatable
        #[arg(long, value_name = "PKG")]
        with: Vec<String>,
    },
    /// Install packages into an environment, with uv or pip
    Install {
        /// The environment's name, or its path
        name: String,
        /// The packages: numpy, "numpy>=2", "uvicorn[standard]", the path or URL of a package
        #[arg(value_name = "PKG", required_unless_present_any = ["requirements", "editable"])]
        packages: Vec<String>,
        /// The folder or repository of a package that is used where it lies: changes of its code take effect at once;
        /// repeatable
        #[arg(short, long, value_name = "PATH")]
        editable: Vec<String>,
        /// A requirements file in pip's format, `-` for standard input; repeatable
        #[arg(short, long, value_name = "FILE")]
        requirements: Vec<PathBuf>,
    },
    /// Remove packages from an environment
    Uninstall {
        /// The environment's name, or its path
        name: String,
        /// The packages
        #[arg(value_name = "PKG", required = true)]
        packages: Vec<String>,
    },
    /// List the packages of an environment
    Packages {
        /// The environment's name, or its path
        name: String,
    },
    /// List the environments
    List,
    /// Delete an environment, after stopping its servers and ending its sessions
    Delete {
        /// Its name
        name: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Check an environment: run its Python, list its packages
    Status {
        /// Its name
        name: String,
    },
    /// Repair an environment: a missing Python, damaged packages
    Repair {
        /// Its name
        name: String,
        /// Its Python from now on [default: its own, or another one of the same minor version]
        #[arg(long, value_name = "VERSION")]
        python: Option<VersionRequest>,
    },
    /// Record exactly what is installed in an environment, as a pylock.toml for `sync`
    Lock {
        /// The environment's name, or its path
        name: String,
        /// The file to write; `-` for standard output [default: a file in the environment]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Install exactly the packages of a lock, with the same hashes, and remove all others
    Sync {
        /// The environment's name, or its path
        name: String,
        /// A pylock.toml, or a file of exact requirements, `-` for standard input [default: the environment's own lock]
        file: Option<PathBuf>,
    },
    /// Copy an environment and its packages
    Clone {
        /// The environment to copy
        from: String,
        /// The name of the copy
        to: String,
    },
    /// Delete environments that were not used for long, and that no running server uses
    Prune {
        /// How long they were unused: 30d, 12h, 90m
        #[arg(long, value_name = "TIME", value_parser = prune::idle_time)]
        idle: Duration,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Create or complete the administrative environment: pip, setuptools and wheel
    Admin {
        /// The Python, where the environment is created
        #[arg(long, value_name = "VERSION")]
        python: Option<VersionRequest>,
    },
}

pub(crate) fn run(context: &Context, command: Command) -> Result<ExitStatus> {
    match command {
        Command::Create { name, model, python, with } => {
            create::create(context, &name, model.as_deref(), python.as_ref(), &with)
        }
        Command::Install { name, packages, editable, requirements } => {
            install::install(context, &name, &packages, &editable, &requirements)
        }
        Command::Uninstall { name, packages } => install::uninstall(context, &name, &packages),
        Command::Packages { name } => install::packages(context, &name),
        Command::List => list::list(context),
        Command::Delete { name, yes } => delete::delete(context, &name, yes),
        Command::Status { name } => list::status(context, &name),
        Command::Repair { name, python } => repair::repair(context, &name, python.as_ref()),
        Command::Lock { name, output } => lock::lock(context, &name, output.as_deref()),
        Command::Sync { name, file } => lock::sync(context, &name, file.as_deref()),
        Command::Clone { from, to } => copy::copy(context, &from, &to),
        Command::Prune { idle, yes } => prune::prune(context, idle, yes),
        Command::Admin { python } => admin::admin(context, python.as_ref()),
    }
}
