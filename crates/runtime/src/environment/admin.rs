//! The administrative environment: pip, setuptools and wheel.

use std::path::Path;
use std::time::Duration;

use super::environment::Environment;
use super::error::EnvironmentError;
use super::layout::environment_python;
use super::manager::VenvManager;
use super::package::installed::{Package, installed};
use super::package::journal::lock_by_name;
use super::package::scratch::Scratch;
use super::package::tool_error::reason;
use super::status::EnvironmentStatus;
use crate::interpreter::Interpreter;
use crate::platform::{CommandError, FileLock, error_chain, run_tool};

/// The environment's name.
const NAME: &str = "admin";
/// Packages that pip installs after it was installed itself.
const FROM_INDEX: [&str; 2] = ["setuptools", "wheel"];
const TIMEOUT: Duration = Duration::from_secs(600);

/// The administrative environment, and the packages it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminOutcome {
    /// The environment.
    pub environment: Environment,
    /// Whether this call created it.
    pub created: bool,
    /// The packages installed in it.
    pub packages: Vec<Package>,
    /// Packages that could not be installed. Calling again retries them.
    pub missing: Vec<MissingPackage>,
}

/// A package that could not be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPackage {
    /// The package's name.
    pub name: String,
    /// The reason, in the tool's own words.
    pub reason: String,
}

impl VenvManager {
    /// Creates or completes the environment `admin`: pip from the runtime's own copy, then setuptools and wheel with
    /// pip, as the user's pip is configured.
    ///
    /// A package that cannot be installed is reported in the outcome. Only a failure of the environment itself is an
    /// error.
    pub fn admin(&self, interpreter: &Interpreter) -> Result<AdminOutcome, EnvironmentError> {
        let lock = lock_by_name(self, NAME)?;
        let python = |environment: &Path, arguments: &[&str]| python(&lock, environment, arguments);
        let (environment, created) = self.ensure(NAME, interpreter)?;
        let mut missing = Vec::new();
        let lacks = |name: &str| {
            !installed(&environment.site_packages).iter().any(|package| package.name.eq_ignore_ascii_case(name))
        };
        if lacks("pip")
            && let Err(reason) = python(&environment.path, &["-m", "ensurepip", "--upgrade", "--default-pip"])
        {
            missing.push(MissingPackage { name: "pip".into(), reason });
        }
        for name in FROM_INDEX.into_iter().filter(|name| lacks(name)) {
            let installed = match missing.iter().any(|package| package.name == "pip") {
                true => Err("pip is missing".to_owned()),
                // One retry: an unreachable index must be reported at once, not after a minute.
                false => python(
                    &environment.path,
                    &["-m", "pip", "--no-input", "--disable-pip-version-check", "--retries", "1", "install", name],
                ),
            };
            if let Err(reason) = installed {
                missing.push(MissingPackage { name: name.into(), reason });
            }
        }
        let packages = installed(&environment.site_packages);
        Ok(AdminOutcome { environment, created, packages, missing })
    }
}

impl EnvironmentStatus {
    /// The packages of the administrative environment that this one lacks, if it is that one.
    pub fn missing_helpers(&self) -> Vec<&'static str> {
        let lacks = |name: &&str| !self.packages.iter().any(|package| package.name.eq_ignore_ascii_case(name));
        let all = if self.name == NAME { &["pip", "setuptools", "wheel"][..] } else { &[] };
        all.iter().copied().filter(lacks).collect()
    }
}

fn python(lock: &FileLock, environment: &Path, arguments: &[&str]) -> Result<(), String> {
    let scratch = Scratch::begin(environment).map_err(|error| error_chain(&error))?;
    let mut command = environment_python(environment);
    scratch.lend(&mut command);
    match run_tool(Some(lock), command.arg("-I").args(arguments), TIMEOUT, &mut |_| ()) {
        Ok(_) => Ok(()),
        // The error's own first line says only that the command failed.
        Err(CommandError::Failed { stderr_tail, .. }) if !stderr_tail.is_empty() => Err(reason("pip", &stderr_tail)),
        Err(error) => Err(error_chain(&error)),
    }
}
