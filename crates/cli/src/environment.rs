//! The environment and the Python that a command means.

use anyhow::Result;
use beep_python_runtime::environment::{DEFAULT_ENVIRONMENT, Environment, EnvironmentError, check_environment_name};
use beep_python_runtime::interpreter::{Interpreter, Runtime, VersionRequest};

use crate::context::Context;
use crate::error::CliError;
use crate::terminal::shell_words::quote;

/// Options that choose an environment and a Python.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct EnvironmentArgs {
    /// The environment, by name or path [default: runtime-host, created on first use]
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) venv: Option<String>,
    /// The Python: 3.12, 3.12.7, ">=3.11", or a path; runs in an environment kept for it. With --venv, the Python which
    /// that environment must have
    #[arg(long, value_name = "VERSION")]
    pub(crate) python: Option<VersionRequest>,
}

impl EnvironmentArgs {
    /// Whether the user gave any of the options.
    pub(crate) fn is_named(&self) -> bool {
        self.venv.is_some() || self.python.is_some()
    }

    /// The environment these options choose; the default one is created where it is missing.
    pub(crate) fn resolve(&self, context: &Context) -> Result<Environment> {
        let Some(request) = &self.python else { return environment_for(context, self.venv.as_deref()) };
        let Some(venv) = &self.venv else {
            // Its error lists the Pythons that there are.
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

/// The environment of this name, or of this path if it looks like one; without either the default environment, which is
/// created where it is missing.
pub(crate) fn environment_for(context: &Context, venv: Option<&str>) -> Result<Environment> {
    let environments = context.environments()?;
    let environment = match venv {
        Some(name) => environments.open_named(name)?,
        None => environments.default_environment().map_err(|error| match error {
            EnvironmentError::NoRuntime { .. } => CliError::NoRuntime.into(),
            other => anyhow::Error::from(other),
        })?,
    };
    environment.mark_used();
    Ok(environment)
}

/// The name of an environment of the home, given by its name or path. `action` is what shall be done to it, which one that
/// lies elsewhere does not allow.
pub(crate) fn own_name(context: &Context, name: &str, action: &'static str) -> Result<String> {
    let environments = context.environments()?;
    // By its name also one that is too broken to be opened.
    if check_environment_name(name).is_ok() {
        return Ok(environments.resolve(name)?);
    }
    let environment = environments.open_named(name)?;
    match environments.is_own(&environment) {
        true => Ok(environment.name),
        false => Err(CliError::OutsideHome { path: environment.path, action }.into()),
    }
}

/// Warns that the default environment keeps the Python it was created with, where another one is the default now.
pub(crate) fn warn_default_python(context: &Context, default: &Runtime) {
    let host = context.environments().ok().and_then(|environments| environments.open(DEFAULT_ENVIRONMENT).ok());
    let (Some(host), Some(version), Ok(home)) = (host, default.version, context.home()) else { return };
    let Some(record) = &host.record else { return };
    if !host.has_python(&home, &VersionRequest::Path(default.path.clone())) {
        // Where both have the same version, only the path tells them apart; a version does not name a free-threaded build.
        let same = record.python == version;
        let free_threaded = default.interpreter.as_ref().is_some_and(|interpreter| interpreter.free_threaded);
        let had = if same { record.interpreter.display().to_string() } else { record.python.to_string() };
        let wanted = match same || free_threaded {
            true => quote(&default.path.to_string_lossy()),
            false => version.to_string(),
        };
        context.printer.note(format_args!(
            "notice: {DEFAULT_ENVIRONMENT}, where code runs by default, keeps Python {had}; \
             beep-python venv repair {DEFAULT_ENVIRONMENT} --python {wanted} changes it."
        ));
    }
}

/// The Python that a request means; without a request that of the default runtime.
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
