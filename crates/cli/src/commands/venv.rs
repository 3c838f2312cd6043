//! `venv`: virtual environments.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Result;
use beep_python_runtime::environment::{
    Environment, EnvironmentState, EnvironmentStatus, Installed, Package, Requirements,
};
use beep_python_runtime::interpreter::VersionRequest;
use beep_python_server::launch::stop;
use serde_json::{Value, json};

use crate::Ended;
use crate::complaint::Complaint;
use crate::context::Context;
use crate::environment::{environment_for, interpreter_for};
use crate::server::{grace_of, running};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make an environment
    Create {
        /// Its name, or the provider that it is for
        name: String,
        /// The model that the provider needs it for
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
    /// List the packages of an environment
    Packages {
        /// The environment's name, or its path
        name: String,
    },
    /// List the environments
    List,
    /// Delete an environment; servers that use it are stopped first
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
    /// Make or complete the administrative environment: pip, setuptools and wheel
    Admin {
        /// Which Python, where it is made anew
        #[arg(long, value_name = "VERSION")]
        python: Option<VersionRequest>,
    },
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Ended> {
    match command {
        Command::Create { name, model, python, with } => {
            create(context, &name, model.as_deref(), python.as_ref(), &with)
        }
        Command::Install { name, packages, requirements } => install(context, &name, &packages, &requirements),
        Command::Packages { name } => packages(context, &name),
        Command::List => list(context),
        Command::Delete { name, yes } => delete(context, &name, yes),
        Command::Status { name } => status(context, &name),
        Command::Admin { python } => admin(context, python.as_ref()),
    }
}

fn create(
    context: &Context,
    name: &str,
    model: Option<&str>,
    python: Option<&VersionRequest>,
    with: &[String],
) -> Result<Ended> {
    let wanted = Requirements::new(with)?;
    let interpreter = interpreter_for(context, python)?;
    let environments = context.environments()?;
    let made = match model {
        Some(_) => environments.create_for_provider(name, model, &interpreter)?,
        None => environments.create(name, &interpreter)?,
    };
    let mut fact = environment_fact(&made);
    let installed = match wanted.is_empty() {
        true => None,
        // All of what was asked for, or nothing.
        false => Some(environments.install(&made, &wanted).inspect_err(|_| {
            let _ = environments.delete(&made.name);
        })?),
    };
    if let Some(installed) = &installed {
        fact["changed"] = packages_fact(&installed.changed);
    }
    context.printer.fact(fact, || {
        let (path, version) = (made.path.display(), interpreter.version);
        context.printer.line(format_args!("Made the environment {} with Python {version}: {path}", made.name));
        if let Some(installed) = &installed {
            say_installed(context, &made.name, installed);
        }
        context.printer.line(format_args!("Activate it with:  . {path}/bin/activate"));
    });
    Ok(Ended::Done)
}

fn install(context: &Context, name: &str, packages: &[String], files: &[PathBuf]) -> Result<Ended> {
    let mut wanted = Requirements::new(packages)?;
    for file in files {
        wanted = wanted.and_file(file)?;
    }
    let environment = environment_for(context, Some(name))?;
    let installed = context.environments()?.install(&environment, &wanted)?;
    let fact = json!({
        "name": environment.name,
        "path": environment.path,
        "installed": packages_fact(&installed.packages),
        "changed": packages_fact(&installed.changed),
        "tool": installed.tool,
    });
    context.printer.fact(fact, || say_installed(context, &environment.name, &installed));
    Ok(Ended::Done)
}

fn say_installed(context: &Context, name: &str, installed: &Installed) {
    let list = |packages: &[Package]| {
        packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect::<Vec<_>>().join(", ")
    };
    match installed.changed.is_empty() {
        true => context.printer.line(format_args!("Nothing to do, {name} has it: {}", list(&installed.packages))),
        false => context.printer.line(format_args!("Installed into {name}: {}", list(&installed.changed))),
    }
}

fn packages(context: &Context, name: &str) -> Result<Ended> {
    let environment = environment_for(context, Some(name))?;
    let packages = context.environments()?.packages(&environment);
    context.printer.fact(packages_fact(&packages), || {
        if packages.is_empty() {
            return context.printer.line(format_args!("{} has no packages.", environment.name));
        }
        let rows = packages.iter().map(|package| vec![package.name.clone(), package.version.clone()]);
        context.printer.table(&["PACKAGE", "VERSION"], rows.collect());
    });
    Ok(Ended::Done)
}

fn packages_fact(packages: &[Package]) -> Value {
    packages.iter().map(|package| json!({"name": package.name, "version": package.version})).collect()
}

fn list(context: &Context) -> Result<Ended> {
    let environments = context.environments()?.list()?;
    let fact = environments.iter().map(status_fact).collect();
    context.printer.fact(fact, || {
        if environments.is_empty() {
            return context.printer.line("There is no environment.");
        }
        let rows = environments.iter().map(|status| {
            let python = status.record.as_ref().map(|record| record.python.to_string()).unwrap_or_default();
            let packages = status.packages.len().to_string();
            vec![status.name.clone(), python, packages, state(status).0, status.path.display().to_string()]
        });
        context.printer.table(&["NAME", "PYTHON", "PACKAGES", "STATE", "PATH"], rows.collect());
    });
    Ok(Ended::Done)
}

fn status(context: &Context, name: &str) -> Result<Ended> {
    let status = context.environments()?.status(name)?;
    let (word, reason) = state(&status);
    context.printer.fact(status_fact(&status), || {
        let mut rows =
            vec![("name", status.name.clone()), ("path", status.path.display().to_string()), ("state", word)];
        rows.extend(reason.map(|reason| ("reason", reason)));
        if let Some(record) = &status.record {
            rows.push(("python", format!("{}, {}", record.python, record.interpreter.display())));
            rows.extend(record.provider.clone().map(|provider| ("provider", provider)));
            rows.extend(record.model.clone().map(|model| ("model", model)));
        }
        rows.extend(status.size_bytes.map(|bytes| ("size", indicatif::HumanBytes(bytes).to_string())));
        let packages = status.packages.iter().map(|package| format!("{} {}", package.name, package.version));
        rows.push((
            "packages",
            if status.packages.is_empty() { "none".into() } else { packages.collect::<Vec<_>>().join(", ") },
        ));
        for (name, value) in rows {
            context.printer.line(format_args!("{:<10}{value}", format_args!("{name}:").to_string()));
        }
    });
    Ok(if status.state == EnvironmentState::Healthy { Ended::Done } else { Ended::Failed })
}

fn delete(context: &Context, name: &str, yes: bool) -> Result<Ended> {
    let home = context.home()?;
    let environments = context.environments()?;
    let environment = environments.open(name)?;
    let users: Vec<_> =
        running(&home)?.into_iter().filter(|(record, _)| record.environment_path == environment.path).collect();
    if !yes {
        let stops = match users.len() {
            0 => String::new(),
            1 => " and stop the server that uses it".to_owned(),
            number => format!(" and stop the {number} servers that use it"),
        };
        if !confirmed(&format!("Delete {}{stops}?", environment.path.display()))? {
            return Err(Complaint::Unconfirmed(name.into()).into());
        }
    }
    for (record, _) in &users {
        stop(&home, record, grace_of(record))?;
    }
    environments.delete(name)?;
    let stopped: Vec<_> = users.iter().map(|(record, _)| record.id.as_str()).collect();
    let fact = json!({"name": name, "path": environment.path, "stopped": stopped});
    context.printer.fact(fact, || {
        for id in &stopped {
            context.printer.line(format_args!("Stopped the server {id}"));
        }
        context.printer.line(format_args!("Deleted the environment {name}"));
    });
    Ok(Ended::Done)
}

fn admin(context: &Context, python: Option<&VersionRequest>) -> Result<Ended> {
    let interpreter = interpreter_for(context, python)?;
    let outcome = context.environments()?.admin(&interpreter)?;
    let mut fact = environment_fact(&outcome.environment);
    fact["created"] = outcome.created.into();
    fact["packages"] = outcome.packages.iter().map(|p| json!({"name": p.name, "version": p.version})).collect();
    fact["missing"] = outcome.missing.iter().map(|p| json!({"name": p.name, "reason": p.reason})).collect();
    let printer = &context.printer;
    printer.fact(fact, || {
        let done = if outcome.created { "Made" } else { "Found" };
        printer.line(format_args!("{done} the environment admin: {}", outcome.environment.path.display()));
        for package in &outcome.packages {
            printer.line(format_args!("  {} {}", package.name, package.version));
        }
    });
    for package in &outcome.missing {
        let reason = package.reason.lines().last().unwrap_or_default();
        printer.note(format_args!("notice: {} could not be installed: {reason}", package.name));
    }
    Ok(if outcome.missing.is_empty() { Ended::Done } else { Ended::Failed })
}

/// Asks on the terminal; where there is none, nobody agrees.
fn confirmed(question: &str) -> Result<bool> {
    let (input, mut output) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() || !output.is_terminal() {
        return Ok(false);
    }
    write!(output, "{question} [y/N] ")?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The state in a word or two, and why it is so.
pub(crate) fn state(status: &EnvironmentStatus) -> (String, Option<String>) {
    match &status.state {
        EnvironmentState::Healthy => ("healthy".into(), None),
        EnvironmentState::NotOurs { reason } => ("not ours".into(), Some(reason.clone())),
        EnvironmentState::InterpreterGone { interpreter, reason } => {
            ("interpreter gone".into(), Some(format!("{}: {reason}", interpreter.display())))
        }
        EnvironmentState::InterpreterChanged { interpreter, was, is } => {
            let reason = format!("{} was Python {was} and is {is} now", interpreter.display());
            ("interpreter changed".into(), Some(reason))
        }
        EnvironmentState::DoesNotRun { reason } => ("does not run".into(), Some(reason.clone())),
    }
}

fn environment_fact(environment: &Environment) -> Value {
    let record = environment.record.as_ref();
    json!({
        "name": environment.name,
        "path": environment.path,
        "pythonVersion": record.map(|record| record.python.to_string()),
        "python": environment.python,
    })
}

fn status_fact(status: &EnvironmentStatus) -> Value {
    let record = status.record.as_ref();
    let (word, reason) = state(status);
    json!({
        "name": status.name,
        "path": status.path,
        "state": word,
        "usable": status.state == EnvironmentState::Healthy,
        "reason": reason,
        "pythonVersion": record.map(|record| record.python.to_string()),
        "interpreter": record.map(|record| &record.interpreter),
        "provider": record.and_then(|record| record.provider.as_deref()),
        "model": record.and_then(|record| record.model.as_deref()),
        "packages": status.packages.iter().map(|p| json!({"name": p.name, "version": p.version})).collect::<Vec<_>>(),
        "sizeBytes": status.size_bytes,
    })
}
