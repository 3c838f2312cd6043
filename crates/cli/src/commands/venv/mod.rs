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
    /// Make an environment
    Create {
        /// Its name; with a model the provider that it is for
        name: String,
        /// The model that a provider needs it for; it is then called what `provider ensure` calls it, which fills it
        model: Option<String>,
        /// Which Python: 3.12, 3.12.7, ">=3.11", or the path of one; the default runtime otherwise
        #[arg(long, value_name = "VERSION")]
        python: Option<VersionRequest>,
        /// Install this package into it, with what it requires; can be given several times
        #[arg(long, value_name = "PKG")]
        with: Vec<String>,
    },
    /// Install packages into an environment, by uv or pip; what is there already is left alone
    Install {
        /// The environment's name, or its path
        name: String,
        /// What is wanted: numpy, "numpy>=2", "uvicorn[standard]", the path or address of a package
        #[arg(value_name = "PKG", required_unless_present = "requirements")]
        packages: Vec<String>,
        /// A file of requirements in the format of pip; can be given several times
        #[arg(short, long, value_name = "FILE")]
        requirements: Vec<PathBuf>,
    },
    /// Remove packages from an environment
    Uninstall {
        /// The environment's name, or its path
        name: String,
        /// What is to go
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
    /// Delete an environment; servers that run in it are stopped, and sessions in it ended, first
    Delete {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Check an environment: its Python is run, its packages listed
    Status {
        /// Its name
        name: String,
    },
    /// Mend an environment: its Python where that is gone, its packages where they are not whole
    Repair {
        /// Its name
        name: String,
        /// The Python that it is to have from now on; its own otherwise, or another of the same series
        #[arg(long, value_name = "VERSION")]
        python: Option<VersionRequest>,
    },
    /// Write down what is installed in an environment, exactly: a pylock.toml, from which `sync` makes it again
    Lock {
        /// The environment's name, or its path
        name: String,
        /// Where to write it, `-` for standard output; in the environment otherwise
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Bring the packages of an environment to what a lock says: no more, no less, with the same hashes
    Sync {
        /// The environment's name, or its path
        name: String,
        /// A pylock.toml, or a file of exact requirements; the environment's own lock otherwise
        file: Option<PathBuf>,
    },
    /// Copy an environment, with all that is installed in it
    Clone {
        /// Which
        from: String,
        /// The copy's name
        to: String,
    },
    /// Delete the environments that nobody has used for long; never one that a running server uses
    Prune {
        /// How long: 30d, 12h, 90m
        #[arg(long, value_name = "TIME", value_parser = prune::idle_time)]
        idle: Duration,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Make or complete the administrative environment: pip, setuptools and wheel
    Admin {
        /// Which Python, where it is made anew
        #[arg(long, value_name = "VERSION")]
        python: Option<VersionRequest>,
    },
}

pub(crate) fn run(context: &Context, command: Command) -> Result<ExitStatus> {
    match command {
        Command::Create { name, model, python, with } => {
            create::create(context, &name, model.as_deref(), python.as_ref(), &with)
        }
        Command::Install { name, packages, requirements } => install::install(context, &name, &packages, &requirements),
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
