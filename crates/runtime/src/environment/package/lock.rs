//! Locking the installed packages.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::error::PackageError;
use super::installed::installed;
use super::journal::{Journal, lock};
use super::pylock::Lock;
use super::requirement::Requirements;
use super::scratch::Scratch;
use super::tool::{Tool, Work};
use crate::environment::environment::Environment;
use crate::environment::manager::VenvManager;
use crate::platform::failed_to;

impl VenvManager {
    /// The environment's packages as a lock in the standard format `pylock.toml` (PEP 751): the version, source and
    /// hashes of each.
    pub fn lock_packages(&self, environment: &Environment) -> Result<String, PackageError> {
        let lock = lock(self, environment)?;
        let mut exact = Requirements::default();
        let journal = Journal::of(environment, installed(&environment.site_packages).into_iter());
        journal.packages.iter().for_each(|package| exact.push_exact(package, journal.origin(package)));
        if exact.is_empty() {
            return Ok("lock-version = \"1.0\"\ncreated-by = \"beep-python\"\npackages = []\n".into());
        }
        let scratch = Scratch::begin(&environment.path)?;
        let list = write(scratch.path().join("packages.txt"), &exact.lines())?;
        let tool = Tool::find(self.home(), self.package_settings(), environment)?;
        let mut command = match &tool {
            Tool::Uv(_) => tool.command(environment, "compile"),
            Tool::Pip(..) => tool.command(environment, "install"),
        };
        let report = scratch.path().join("report.json");
        match &tool {
            Tool::Uv(_) => command.args(["--no-deps", "--no-header", "--format", "pylock.toml"]).arg(&list),
            Tool::Pip(..) => command
                .args(["--dry-run", "--ignore-installed", "--no-deps", "--report"])
                .arg(&report)
                .arg("-r")
                .arg(&list),
        };
        let settings = self.package_settings();
        let work = Work { action: "lock", wanted: &exact, lock: &lock, scratch: &scratch, options: &[], settings };
        let written = tool.run(&mut command, &work, self.progress())?;
        if let Tool::Uv(_) = tool {
            return Ok(String::from_utf8_lossy(&written).into_owned());
        }
        let json = fs::read(&report).map_err(failed_to("read", &report))?;
        let report: Value = serde_json::from_slice(&json).unwrap_or_default();
        Lock::of_report(&report).map_err(|reason| PackageError::NotLocked { path: environment.path.clone(), reason })
    }
}

pub(super) fn write(path: PathBuf, text: &str) -> Result<PathBuf, PackageError> {
    fs::write(&path, text).map_err(failed_to("write", &path))?;
    Ok(path)
}
