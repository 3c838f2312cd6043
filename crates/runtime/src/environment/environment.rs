//! A virtual environment and its paths.

use std::path::PathBuf;

use super::error::EnvironmentError;
use super::record::EnvironmentRecord;
use super::{last_used, layout, usage_lock};

/// A virtual environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its name; outside the home, the name of its folder.
    pub name: String,
    /// Its folder, as an absolute path.
    pub path: PathBuf,
    /// Its Python: `PATH/bin/python`.
    pub python: PathBuf,
    /// The folder of its packages: `PATH/lib/python3.12/site-packages`.
    pub site_packages: PathBuf,
    /// Who created it, with which Python; `None` when beep-python did not create it.
    pub record: Option<EnvironmentRecord>,
}

impl Environment {
    /// Records that the environment is used now; `last_used` of its status shows it. Call it before starting Python in
    /// it.
    pub fn mark_used(&self) {
        last_used::mark(&self.path);
    }

    /// The path of its lock file: `PATH/pylock.toml`. The file may be missing.
    pub fn lock_file(&self) -> PathBuf {
        self.path.join("pylock.toml")
    }

    /// The processes that run sessions in it, as far as the system shows them.
    pub fn users(&self) -> Vec<u32> {
        usage_lock::users(&self.path)
    }

    pub(super) fn at(
        path: PathBuf,
        name: String,
        record: Option<EnvironmentRecord>,
    ) -> Result<Environment, EnvironmentError> {
        let python = path.join("bin/python");
        let lacks = |reason: &str| EnvironmentError::NotAnEnvironment { path: path.clone(), reason: reason.into() };
        if python.symlink_metadata().is_err() {
            return Err(lacks("it has no bin/python"));
        }
        let site_packages = layout::library(&path).ok_or_else(|| lacks("it has no lib/python3.X/site-packages"))?;
        Ok(Environment { name, path, python, site_packages, record })
    }
}
