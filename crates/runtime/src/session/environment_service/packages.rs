//! Operations on the packages of environments.

use std::path::PathBuf;

use beep_python_protocol::{ErrorCode, Problem};

use super::service::{EnvironmentService, environment_error, spawn_blocking};
use crate::environment::{EnvironmentError, Removed, Repaired, Synced};
use crate::interpreter::VersionRequest;
use crate::platform::{failed_to, replace_file};

impl EnvironmentService {
    /// Removes packages, given by name. Their dependencies stay.
    pub async fn uninstall(&self, name: String, packages: Vec<String>) -> Result<Removed, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || {
            let environment = venvs.open(&venvs.resolve(&name)?)?;
            venvs.uninstall(&environment, &packages).map_err(|error| environment_error(&error))
        })
        .await
    }

    /// Locks the installed packages as a `pylock.toml`: into `file`, else into the environment. Returns the file's
    /// path.
    pub async fn lock(&self, name: String, file: Option<PathBuf>) -> Result<PathBuf, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || {
            let environment = venvs.open(&venvs.resolve(&name)?)?;
            let text = venvs.lock_packages(&environment).map_err(|error| environment_error(&error))?;
            let file = file.unwrap_or_else(|| environment.lock_file());
            let file = std::path::absolute(&file).map_err(failed_to("find", &file)).map_err(EnvironmentError::from)?;
            replace_file(&file, text.as_bytes()).map_err(EnvironmentError::from)?;
            Ok(file)
        })
        .await
    }

    /// Brings the packages to the exact state of a lock; the default `file` is the environment's own lock.
    pub async fn sync(&self, name: String, file: Option<PathBuf>) -> Result<Synced, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || {
            let environment = venvs.open(&venvs.resolve(&name)?)?;
            let file = file.unwrap_or_else(|| environment.lock_file());
            venvs.sync_packages(&environment, &file).map_err(|error| environment_error(&error))
        })
        .await
    }

    /// Copies an environment with its packages. Returns the copy's path.
    pub async fn copy(&self, from: String, to: String) -> Result<PathBuf, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || Ok(venvs.copy(&venvs.resolve(&from)?, &to)?.path)).await
    }

    /// Repairs an environment: its Python, which `python` can replace, and its damaged packages.
    pub async fn repair(&self, name: String, python: Option<String>) -> Result<Repaired, Problem> {
        let venvs = self.venvs();
        let wrong = |error| Problem::new(ErrorCode::InvalidRequest, format!("{error}"));
        let python = python.map(|text| text.parse::<VersionRequest>().map_err(wrong)).transpose()?;
        spawn_blocking(move || Ok(venvs.repair(&venvs.resolve(&name)?, python.as_ref())?)).await
    }
}
