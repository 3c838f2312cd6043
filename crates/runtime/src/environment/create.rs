//! Creating an environment.

use super::environment::Environment;
use super::error::EnvironmentError;
use super::layout;
use super::manager::VenvManager;
use super::name::check_environment_name;
use super::record::EnvironmentRecord;
use crate::interpreter::{Interpreter, query};
use crate::platform::{Staging, failed_to};

impl VenvManager {
    /// Creates an environment without packages, in this process. Runs nothing when the Python is known.
    ///
    /// Fails when the name is taken; see [`ensure`](Self::ensure).
    pub fn create(&self, name: &str, interpreter: &Interpreter) -> Result<Environment, EnvironmentError> {
        self.make(EnvironmentRecord::new(name, interpreter), interpreter)
    }

    /// Creates the environment of a provider, or of one of its models, without packages. Its name is that of
    /// [`name_for_provider`](Self::name_for_provider), so that
    /// [`ensure_provider_environment`](Self::ensure_provider_environment) finds it and installs its packages.
    pub fn create_for_provider(
        &self,
        provider: &str,
        model: Option<&str>,
        interpreter: &Interpreter,
    ) -> Result<Environment, EnvironmentError> {
        let name = self.name_for_provider(provider, model)?;
        let mut record = EnvironmentRecord::new(&name, interpreter);
        record.provider = Some(provider.to_owned());
        record.model = model.map(str::to_owned);
        self.make(record, interpreter)
    }

    /// Opens the environment of this name, or creates it. Returns true when it was created.
    pub fn ensure(&self, name: &str, interpreter: &Interpreter) -> Result<(Environment, bool), EnvironmentError> {
        match self.open(name) {
            Err(EnvironmentError::NotFound { .. }) => {}
            opened => return Ok((opened?, false)),
        }
        match self.create(name, interpreter) {
            // Another process created it first.
            Err(EnvironmentError::AlreadyExists { .. }) => Ok((self.open(name)?, false)),
            created => Ok((created?, true)),
        }
    }

    pub(super) fn make(
        &self,
        record: EnvironmentRecord,
        interpreter: &Interpreter,
    ) -> Result<Environment, EnvironmentError> {
        let name = record.name.clone();
        check_environment_name(&name)?;
        interpreter.check_supported()?;
        let folder = self.folder()?;
        Staging::sweep(&folder);
        let staging = Staging::begin(&folder, &name)?;
        let (final_path, staged) = (staging.final_path(), staging.staged_path());
        if final_path.symlink_metadata().is_ok() {
            return Err(EnvironmentError::AlreadyExists { name, path: final_path });
        }
        layout::build(&staged, &final_path, &record, interpreter)
            .map_err(failed_to("create an environment in", &final_path))?;
        // The interpreter's facts come from running it. Verify only when they have changed since.
        if !matches!(query(self.home(), &interpreter.path), Ok(known) if known == *interpreter) {
            layout::verify(&staged, &interpreter.version, Some(&interpreter.prefix))?;
        }
        let path = staging.commit(&staged)?;
        tracing::info!(environment = name, python = %interpreter.version, "environment created");
        Environment::at(path, name, Some(record))
    }
}
