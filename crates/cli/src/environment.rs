//! Which environment a command means, and which Python makes a new one.

use anyhow::Result;
use beep_python_runtime::environment::{Environment, EnvironmentError};
use beep_python_runtime::interpreter::{Interpreter, VersionRequest};

use crate::complaint::Complaint;
use crate::context::Context;

/// The environment that `--venv` means: a path when it looks like one, else a name. Without it the servers' own, which
/// is made when it is not there.
pub(crate) fn environment_for(context: &Context, venv: Option<&str>) -> Result<Environment> {
    let environments = context.environments()?;
    let environment = match venv {
        Some(path) if path.contains('/') || path == "." => environments.open_path(path)?,
        Some(name) => environments.open(name)?,
        None => environments.runtime_host().map_err(|error| match error {
            EnvironmentError::NoRuntime { .. } => Complaint::NoRuntime.into(),
            other => anyhow::Error::from(other),
        })?,
    };
    environment.mark_used();
    Ok(environment)
}

/// The Python that a request means; without one that of the default runtime.
pub(crate) fn interpreter_for(context: &Context, request: Option<&VersionRequest>) -> Result<Interpreter> {
    let runtimes = context.runtimes()?;
    if let Some(interpreter) = runtimes.interpreter(request)? {
        return Ok(interpreter);
    }
    let Some(request) = request else { return Err(Complaint::NoRuntime.into()) };
    let installed = runtimes.list()?.into_iter().filter_map(|runtime| runtime.version);
    let mut known: Vec<_> = installed.chain(runtimes.discover()?.iter().map(|python| python.version)).collect();
    known.sort_by_key(|version| std::cmp::Reverse(*version));
    known.dedup();
    let known = known.iter().map(ToString::to_string).collect();
    Err(Complaint::NoSuchRuntime { request: request.clone(), known }.into())
}
