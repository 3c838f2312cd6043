//! Work on what is installed in environments, as clients ask for it: the part of [`EnvironmentService`] that is about it.

use std::path::PathBuf;

use beep_python_protocol::{ErrorCode, Problem};

use super::service::{EnvironmentService, environment_error, spawn_blocking};
use crate::environment::{EnvironmentError, Removed, Repaired, Synced};
use crate::interpreter::VersionRequest;
use crate::platform::{failed_to, replace_file};

impl EnvironmentService {
    /// Removes packages, given by their names; what they require themselves stays.
    pub async fn uninstall(&self, name: String, packages: Vec<String>) -> Result<Removed, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || {
            let environment = venvs.open(&name)?;
            venvs.uninstall(&environment, &packages).map_err(|error| environment_error(&error))
        })
        .await
    }

    /// Writes down what is installed, exactly, as a `pylock.toml`: into `file`, else into the environment. Gives the file.
    pub async fn lock(&self, name: String, file: Option<PathBuf>) -> Result<PathBuf, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || {
            let environment = venvs.open(&name)?;
            let text = venvs.lock_packages(&environment).map_err(|error| environment_error(&error))?;
            let file = file.unwrap_or_else(|| environment.lock_file());
            let file = std::path::absolute(&file).map_err(failed_to("find", &file)).map_err(EnvironmentError::from)?;
            replace_file(&file, text.as_bytes()).map_err(EnvironmentError::from)?;
            Ok(file)
        })
        .await
    }

    /// Brings what is installed to what a lock says: no more, no less. Without `file` it is the environment's own.
    pub async fn sync(&self, name: String, file: Option<PathBuf>) -> Result<Synced, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || {
            let environment = venvs.open(&name)?;
            let file = file.unwrap_or_else(|| environment.lock_file());
            venvs.sync_packages(&environment, &file).map_err(|error| environment_error(&error))
        })
        .await
    }

    /// Copies an environment, with all that is installed in it; gives the copy's path.
    pub async fn copy(&self, from: String, to: String) -> Result<PathBuf, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || Ok(venvs.copy(&from, &to)?.path)).await
    }

    /// Mends an environment: its Python where that is gone, or is to be another, and its packages where they are not whole.
    pub async fn repair(&self, name: String, python: Option<String>) -> Result<Repaired, Problem> {
        let venvs = self.venvs();
        let wrong = |error| Problem::new(ErrorCode::InvalidRequest, format!("{error}"));
        let python = python.map(|text| text.parse::<VersionRequest>().map_err(wrong)).transpose()?;
        spawn_blocking(move || Ok(venvs.repair(&name, python.as_ref())?)).await
    }
}
