//! Mending an environment that is broken.

use super::layout;
use super::package::{self, Journal};
use super::record::EnvironmentRecord;
use super::status::{self, EnvironmentState};
use super::{Environment, EnvironmentError, EnvironmentStatus, Installed, Requirements, VenvManager, record};
use crate::interpreter::{Interpreter, PythonRuntimeManager, VersionRequest, query};
use crate::platform::{FileLock, Staging, failed_to};

/// What was done about an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The environment, as it is now.
    pub environment: Environment,
    /// What was wrong with it.
    pub was: EnvironmentState,
    /// What was installed again, and by what.
    pub installed: Installed,
}

impl VenvManager {
    /// Mends an environment: its links and files where its Python is gone or does not run, and its packages where they
    /// are not whole. What was installed is there again then, in the same versions.
    ///
    /// Its Python is the one that it was made with, or where that is gone another of the same series (3.12), or one that
    /// `python` asks for: of another series, all of its packages are installed anew.
    pub fn repair(&self, name: &str, python: Option<&VersionRequest>) -> Result<Repaired, EnvironmentError> {
        let path = self.existing(name)?;
        let lock = FileLock::acquire(package::lock_path(&self.folder()?, name, &path))?;
        let EnvironmentStatus { state: was, record, .. } = status::full_status(self.home(), name, &path);
        let was = match was {
            // The change that might still be under way is held up by our own lock.
            EnvironmentState::Healthy if Journal::is_in(&path) => status::interrupted(),
            was => was,
        };
        let Some(record) = record else {
            let reason = format!("{} is lost, and pyvenv.cfg does not tell it", record::FILE);
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
        Ok(Repaired { environment, was, installed })
    }

    /// The Python that was asked for; else its own, else one of the same series.
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

    /// Gives the environment another Python. Its packages stay where they can be used; else that they are to be there is
    /// noted, and they are installed next.
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
        layout::build(&staged, &path, &record, interpreter).map_err(failed_to("make an environment in", &path))?;
        journal.write(&staged)?;
        layout::verify(&staged, &interpreter.version, Some(&interpreter.prefix))?;
        staging.commit(&staged)?;
        drop(staging);
        self.open(&record.name)
    }
}
