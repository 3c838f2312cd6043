//! The administrative environment: pip, setuptools and wheel.

use std::path::Path;
use std::time::Duration;

use super::layout::environment_python;
use super::package::{self, Package, Scratch};
use super::{Environment, EnvironmentError, VenvManager};
use crate::interpreter::Interpreter;
use crate::platform::{CommandError, FileLock, error_chain, run_command};

/// Its name.
const NAME: &str = "admin";
/// What pip installs once it is there itself.
const FROM_INDEX: [&str; 2] = ["setuptools", "wheel"];
const TIMEOUT: Duration = Duration::from_secs(600);

/// The administrative environment, and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminOutcome {
    /// The environment.
    pub environment: Environment,
    /// Whether it was made now.
    pub created: bool,
    /// What is installed in it.
    pub packages: Vec<Package>,
    /// What should be and could not be installed; calling again tries again.
    pub missing: Vec<MissingPackage>,
}

/// A package that could not be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPackage {
    /// Its name.
    pub name: String,
    /// Why, in the words of who tried.
    pub reason: String,
}

impl VenvManager {
    /// Makes the environment `admin`, or completes it: pip from the runtime's own copy, then setuptools and wheel by
    /// pip, as the user's pip is configured.
    ///
    /// A package that cannot be had is reported in the outcome; only the environment itself failing is an error.
    pub fn admin(&self, interpreter: &Interpreter) -> Result<AdminOutcome, EnvironmentError> {
        let _lock = FileLock::acquire(self.home().environments()?.join(".packages-admin"))?;
        let (environment, created) = self.ensure(NAME, interpreter)?;
        let mut missing = Vec::new();
        let lacks = |name: &str| {
            !package::installed(&environment.site_packages)
                .iter()
                .any(|package| package.name.eq_ignore_ascii_case(name))
        };
        if lacks("pip")
            && let Err(reason) = python(&environment.path, &["-m", "ensurepip", "--upgrade", "--default-pip"])
        {
            missing.push(MissingPackage { name: "pip".into(), reason });
        }
        for name in FROM_INDEX.into_iter().filter(|name| lacks(name)) {
            let installed = match missing.iter().any(|package| package.name == "pip") {
                true => Err("pip is missing".to_owned()),
                // One retry: an index that cannot be reached should be told now and not in a minute.
                false => python(
                    &environment.path,
                    &["-m", "pip", "--no-input", "--disable-pip-version-check", "--retries", "1", "install", name],
                ),
            };
            if let Err(reason) = installed {
                missing.push(MissingPackage { name: name.into(), reason });
            }
        }
        let packages = package::installed(&environment.site_packages);
        Ok(AdminOutcome { environment, created, packages, missing })
    }
}

fn python(environment: &Path, arguments: &[&str]) -> Result<(), String> {
    let scratch = Scratch::begin(environment).map_err(|error| error_chain(&error))?;
    let mut command = environment_python(environment);
    scratch.lend(&mut command);
    match run_command(command.arg("-I").args(arguments), TIMEOUT) {
        Ok(_) => Ok(()),
        // The first line says only that it failed.
        Err(CommandError::Failed { stderr_tail, .. }) if !stderr_tail.is_empty() => Err(stderr_tail),
        Err(error) => Err(error_chain(&error)),
    }
}
