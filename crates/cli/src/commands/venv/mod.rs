//! `venv`: virtual environments.

mod admin;
mod copy;
mod create;
mod delete;
pub(crate) mod describe;
mod freeze;
mod install;
pub(crate) mod lack;
mod list;
mod lock;
mod options;
mod prune;
mod repair;
mod tree;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use beep_python_runtime::interpreter::VersionRequest;

use self::options::{InstallArgs, SourceArgs};
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
        #[arg(short, long, value_name = "VERSION")]
        python: Option<VersionRequest>,
        /// Install this package and its dependencies; repeatable
        #[arg(long, value_name = "PKG")]
        with: Vec<String>,
        #[command(flatten)]
        install: InstallArgs,
    },
    /// Install packages into an environment, with uv or pip
    #[command(visible_alias = "add")]
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
        #[command(flatten)]
        install: InstallArgs,
    },
    /// Remove packages from an environment
    #[command(visible_alias = "remove")]
    Uninstall {
        /// The environment's name, or its path
        name: String,
        /// The packages
        #[arg(value_name = "PKG", required = true)]
        packages: Vec<String>,
        /// Print errors only
        #[arg(short, long)]
        quiet: bool,
        /// It asks nothing; for the fingers of pip's users
        #[arg(short, long, hide = true)]
        yes: bool,
    },
    /// List the packages of an environment
    Packages {
        /// The environment's name, or its path
        name: String,
    },
    /// Print the packages of an environment as requirements
    Freeze {
        /// The environment's name, or its path
        name: String,
    },
    /// Show which packages of an environment require which
    Tree {
        /// The environment's name, or its path
        name: String,
    },
    /// List the environments
    #[command(visible_alias = "ls")]
    List,
    /// Delete an environment, after stopping its servers and ending its sessions
    #[command(visible_alias = "rm")]
    Delete {
        /// The environment's name, or its path
        name: String,
        /// Do not ask for confirmation
        #[arg(short, long)]
        yes: bool,
    },
    /// Check an environment: run its Python, list its packages
    #[command(alias = "show")]
    Status {
        /// The environment's name, or its path
        name: String,
    },
    /// Repair an environment: a missing Python, damaged packages
    Repair {
        /// The environment's name, or its path
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
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Copy an environment and its packages
    Clone {
        /// The environment to copy: its name, or its path
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
        Command::Create { name, model, python, with, install } => {
            create::create(context, &name, model.as_deref(), python.as_ref(), &with, &install)
        }
        Command::Install { name, packages, editable, requirements, install } => {
            install::install(context, &name, &packages, &editable, &requirements, &install)
        }
        Command::Uninstall { name, packages, quiet, yes: _ } => install::uninstall(context, &name, &packages, quiet),
        Command::Packages { name } => install::packages(context, &name),
        Command::Freeze { name } => freeze::freeze(context, &name),
        Command::Tree { name } => tree::tree(context, &name),
        Command::List => list::list(context),
        Command::Delete { name, yes } => delete::delete(context, &name, yes),
        Command::Status { name } => list::status(context, &name),
        Command::Repair { name, python } => repair::repair(context, &name, python.as_ref()),
        Command::Lock { name, output } => lock::lock(context, &name, output.as_deref()),
        Command::Sync { name, file, source } => lock::sync(context, &name, file.as_deref(), &source),
        Command::Clone { from, to } => copy::copy(context, &from, &to),
        Command::Prune { idle, yes } => prune::prune(context, idle, yes),
        Command::Admin { python } => admin::admin(context, python.as_ref()),
    }
}
