//! The environments in which code runs when none is named.

use sha2::{Digest, Sha256};

use super::environment::Environment;
use super::error::EnvironmentError;
use super::manager::VenvManager;
use crate::interpreter::{Interpreter, PythonRuntimeManager, VersionRequest, query};
use crate::platform::Home;

/// Name of the default environment, which uses the default runtime.
pub const DEFAULT_ENVIRONMENT: &str = "runtime-host";

impl VenvManager {
    /// Opens the default environment, `runtime-host`. Creates it with the default runtime when it is missing.
    pub fn default_environment(&self) -> Result<Environment, EnvironmentError> {
        match self.open(DEFAULT_ENVIRONMENT) {
            Err(EnvironmentError::NotFound { .. }) => {
                let default = PythonRuntimeManager::new(self.home().clone()).interpreter(None)?;
                let missing = || EnvironmentError::NoRuntime { name: DEFAULT_ENVIRONMENT.to_owned(), request: None };
                Ok(self.ensure(DEFAULT_ENVIRONMENT, &default.ok_or_else(missing)?)?.0)
            }
            opened => opened,
        }
    }

    /// Opens the default environment for a given Python: `runtime-host` when it has, or would get, that Python; else
    /// `runtime-host-3.12.7`, created when it is missing.
    pub fn default_environment_with(&self, request: &VersionRequest) -> Result<Environment, EnvironmentError> {
        let has_it = |environment: &Environment| environment.has_python(self.home(), request);
        let runtimes = PythonRuntimeManager::new(self.home().clone());
        match self.open(DEFAULT_ENVIRONMENT) {
            Ok(found) if has_it(&found) => return Ok(found),
            Err(EnvironmentError::NotFound { .. }) => {
                let default = runtimes.interpreter(None).ok().flatten();
                if default.is_some_and(|default| is_meant(self.home(), &default, request)) {
                    return self.default_environment();
                }
            }
            _ => {}
        }
        let found = runtimes.interpreter(Some(request))?;
        let missing =
            || EnvironmentError::NoRuntime { name: DEFAULT_ENVIRONMENT.to_owned(), request: Some(request.clone()) };
        let interpreter = found.ok_or_else(missing)?;
        let name = name_with(&interpreter);
        let environment = self.ensure(&name, &interpreter)?.0;
        if has_it(&environment) {
            return Ok(environment);
        }
        // Two installations of one version, each named by its path.
        let path = Sha256::digest(interpreter.path.as_os_str().as_encoded_bytes());
        let name = format!("{name}-{:02x}{:02x}{:02x}{:02x}", path[0], path[1], path[2], path[3]);
        Ok(self.ensure(&name, &interpreter)?.0)
    }
}

fn name_with(interpreter: &Interpreter) -> String {
    let threads = if interpreter.free_threaded { "t" } else { "" };
    format!("{DEFAULT_ENVIRONMENT}-{}{threads}", interpreter.version)
}

fn is_meant(home: &Home, interpreter: &Interpreter, request: &VersionRequest) -> bool {
    match request {
        VersionRequest::Path(path) => query(home, path).is_ok_and(|wanted| wanted.path == interpreter.path),
        request => request.matches(&interpreter.version) && request.is_free_threaded() == interpreter.free_threaded,
    }
}

impl Environment {
    /// Whether the environment's Python satisfies the request. Queried interpreters come from the cache.
    pub fn has_python(&self, home: &Home, request: &VersionRequest) -> bool {
        let own = self.record.as_ref().map_or(&self.python, |record| &record.interpreter);
        query(home, own).is_ok_and(|own| is_meant(home, &own, request))
    }
}
