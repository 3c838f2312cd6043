//! Repairing a broken environment.

use super::environment::Environment;
use super::error::EnvironmentError;
use super::layout;
use super::manager::VenvManager;
use super::package::install::Installed;
use super::package::journal::{Journal, lock_path};
use super::package::requirement::Requirements;
use super::record::{self, EnvironmentRecord};
use super::status::{self, EnvironmentState, EnvironmentStatus};
use crate::interpreter::{Interpreter, PythonRuntimeManager, VersionRequest, query};
use crate::platform::{FileLock, Staging, failed_to};

/// The outcome of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The environment after the repair.
    pub environment: Environment,
    /// Its state before.
    pub was: EnvironmentState,
    /// The packages that were installed again, and the tool that did it.
    pub installed: Installed,
}

impl VenvManager {
    /// Repairs an environment: its links and files when its Python is gone or does not run, and its damaged packages.
    /// Packages are restored in the same versions.
    ///
    /// The environment keeps its Python; when that is gone, another of the same series (3.12) takes its place. With
    /// `python`, it gets a matching one. For another series, all packages are installed anew.
    pub fn repair(&self, name: &str, python: Option<&VersionRequest>) -> Result<Repaired, EnvironmentError> {
        let path = self.existing(name)?;
        let lock = FileLock::acquire(lock_path(&self.folder()?, name, &path))?;
        let EnvironmentStatus { state: was, record, .. } = status::full_status(self.home(), name, &path);
        let was = match was {
            // This call holds the lock, so no change can be in progress: the journal is of an interrupted one.
            EnvironmentState::Healthy if Journal::is_in(&path) => status::interrupted(),
            was => was,
        };
        let Some(record) = record else {
            let reason = format!("{} is lost, and pyvenv.cfg cannot replace it", record::FILE);
            return Err(EnvironmentError::Foreign { path, reason });
        };
        let interpreter = self.interpreter_to_repair(&record, python)?;
        let is_sound = matches!(was, EnvironmentState::Healthy | EnvironmentState::PackagesDamaged { .. });
        let environment = if is_sound && interpreter.path == record.interpreter {
            self.open(name)?
        } else {
            self.rebuild(&record, &interpreter)?
        };
        let installed = self
            .install_holding(&lock, &environment, &Requirements::default(), true)
            .map_err(|source| EnvironmentError::Packages { name: name.into(), source })?;
        tracing::info!(environment = name, ?was, changed = installed.changed.len(), "environment repaired");
        Ok(Repaired { environment, was, installed })
    }

    /// The requested Python; else the environment's own, else one of the same series.
    fn interpreter_to_repair(
        &self,
        record: &EnvironmentRecord,
        python: Option<&VersionRequest>,
    ) -> Result<Interpreter, EnvironmentError> {
        if python.is_none()
            && let Ok(own) = query(self.home(), &record.interpreter)
            && own.version.series() == record.python.series()
        {
            return Ok(own);
        }
        let same_series = || record.python.series().parse().ok();
        let request = python.cloned().or_else(same_series);
        let found = PythonRuntimeManager::new(self.home().clone()).interpreter(request.as_ref())?;
        found.ok_or_else(|| EnvironmentError::NoRuntime { name: record.name.clone(), request })
    }

    /// Gives the environment another Python. Keeps packages that still work; else the journal lists them for the
    /// installation that follows.
    fn rebuild(&self, record: &EnvironmentRecord, interpreter: &Interpreter) -> Result<Environment, EnvironmentError> {
        let path = self.existing(&record.name)?;
        let same_series = interpreter.version.series() == record.python.series();
        let record =
            EnvironmentRecord { interpreter: interpreter.path.clone(), python: interpreter.version, ..record.clone() };
        if same_series && layout::site_packages(&path, &interpreter.name()).is_dir() {
            layout::repair(&path, &record, interpreter)?;
            layout::verify(&path, &interpreter.version, Some(&interpreter.prefix))?;
            return self.open(&record.name);
        }
        let journal = match self.open(&record.name) {
            Ok(old) => Journal::read(&old).unwrap_or_else(|| Journal::of(&old, self.packages(&old).into_iter())),
            Err(_) => Journal::default(),
        };
        let staging = Staging::begin(&self.folder()?, &record.name)?;
        let staged = staging.staged_path();
        layout::build(&staged, &path, &record, interpreter).map_err(failed_to("create an environment in", &path))?;
        journal.write(&staged)?;
        layout::verify(&staged, &interpreter.version, Some(&interpreter.prefix))?;
        staging.commit(&staged)?;
        drop(staging);
        self.open(&record.name)
    }
}
