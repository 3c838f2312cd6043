//! Which environment a command means, and which Python makes a new one.

use anyhow::Result;
use beep_python_runtime::environment::{DEFAULT_ENVIRONMENT, Environment, EnvironmentError};
use beep_python_runtime::interpreter::{Interpreter, Runtime, VersionRequest};

use crate::context::Context;
use crate::error::CliError;
use crate::terminal::shell_words::quote;

/// Where code is to run: which environment, which Python.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct EnvironmentArgs {
    /// The environment, by name or path; `runtime-host` otherwise, which is made when it is not there
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) venv: Option<String>,
    /// Which Python: 3.12, 3.12.7, ">=3.11", or the path of one; in an environment that is kept for it. With --venv, what
    /// that must have
    #[arg(long, value_name = "VERSION")]
    pub(crate) python: Option<VersionRequest>,
}

impl EnvironmentArgs {
    /// Whether anything was said.
    pub(crate) fn is_named(&self) -> bool {
        self.venv.is_some() || self.python.is_some()
    }

    /// The environment that is meant, or the servers' own, which is made when it is not there.
    pub(crate) fn resolve(&self, context: &Context) -> Result<Environment> {
        let Some(request) = &self.python else { return environment_for(context, self.venv.as_deref()) };
        let Some(venv) = &self.venv else {
            // Says what there is instead when there is no such Python.
            interpreter_for(context, Some(request))?;
            let environment = context.environments()?.default_environment_with(request)?;
            environment.mark_used();
            return Ok(environment);
        };
        let environment = environment_for(context, Some(venv))?;
        if environment.has_python(&context.home()?, request) {
            return Ok(environment);
        }
        let actual = environment.record.as_ref().map(|record| record.python);
        let (name, request) = (environment.name, request.clone());
        Err(CliError::OtherPython { name, actual, request }.into())
    }
}

/// The environment of this name or path: a path when it looks like one. Without it the servers' own, which is made when it
/// is not there.
pub(crate) fn environment_for(context: &Context, venv: Option<&str>) -> Result<Environment> {
    let environments = context.environments()?;
    let environment = match venv {
        Some(path) if path.contains('/') || path == "." => environments.open_path(path)?,
        Some(name) => environments.open(name)?,
        None => environments.default_environment().map_err(|error| match error {
            EnvironmentError::NoRuntime { .. } => CliError::NoRuntime.into(),
            other => anyhow::Error::from(other),
        })?,
    };
    environment.mark_used();
    Ok(environment)
}

/// Says that the servers' own environment keeps the Python it was made with, where another is the default now.
pub(crate) fn warn_default_python(context: &Context, default: &Runtime) {
    let host = context.environments().ok().and_then(|environments| environments.open(DEFAULT_ENVIRONMENT).ok());
    let (Some(host), Some(version), Ok(home)) = (host, default.version, context.home()) else { return };
    let Some(record) = &host.record else { return };
    if !host.has_python(&home, &VersionRequest::Path(default.path.clone())) {
        // A version that both have would not say which of them is meant, nor that it has no global lock.
        let same = record.python == version;
        let free_threaded = default.interpreter.as_ref().is_some_and(|interpreter| interpreter.free_threaded);
        let had = if same { record.interpreter.display().to_string() } else { record.python.to_string() };
        let wanted = match same || free_threaded {
            true => quote(&default.path.to_string_lossy()),
            false => version.to_string(),
        };
        context.printer.note(format_args!(
            "notice: {DEFAULT_ENVIRONMENT}, in which code runs when nothing else is named, keeps Python {had}; \
             beep-python venv repair {DEFAULT_ENVIRONMENT} --python {wanted} changes that."
        ));
    }
}

/// The Python that a request means; without one that of the default runtime.
pub(crate) fn interpreter_for(context: &Context, request: Option<&VersionRequest>) -> Result<Interpreter> {
    let runtimes = context.runtimes()?;
    if let Some(interpreter) = runtimes.interpreter(request)? {
        return Ok(interpreter);
    }
    let Some(request) = request else { return Err(CliError::NoRuntime.into()) };
    let installed = runtimes.list()?.into_iter().filter_map(|runtime| runtime.version);
    let mut known: Vec<_> = installed.chain(runtimes.discover()?.iter().map(|python| python.version)).collect();
    known.sort_by_key(|version| std::cmp::Reverse(*version));
    known.dedup();
    let known = known.iter().map(ToString::to_string).collect();
    Err(CliError::NoSuchRuntime { request: request.clone(), known }.into())
}
