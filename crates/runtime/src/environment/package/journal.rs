//! The lock on an environment's packages, and the journal of a change in progress.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::PackageError;
use super::installed::{Package, by_name, normal};
use super::progress::PackageStage;
use crate::environment::environment::Environment;
use crate::environment::error::EnvironmentError;
use crate::environment::manager::VenvManager;
use crate::platform::{FileError, FileLock, failed_to, replace_file};

/// Acquires the right to change an environment's packages; waits while another process or thread holds it.
pub(in crate::environment) fn lock(manager: &VenvManager, environment: &Environment) -> Result<FileLock, PackageError> {
    let path = lock_path(&manager.home().environments()?, &environment.name, &environment.path);
    if let Some(lock) = FileLock::try_acquire(&path)? {
        return Ok(lock);
    }
    manager.progress().report_stage(PackageStage::Waiting);
    Ok(FileLock::acquire(path)?)
}

/// Acquires the same right for an environment of the home, by its name: also for one that does not exist yet.
pub(in crate::environment) fn lock_by_name(manager: &VenvManager, name: &str) -> Result<FileLock, EnvironmentError> {
    let folder = manager.home().environments()?;
    Ok(FileLock::acquire(lock_path(&folder, name, &folder.join(name)))?)
}

/// The path of that lock: beside the environment if it is in the home's `folder`, else in it.
pub(in crate::environment) fn lock_path(folder: &Path, name: &str, path: &Path) -> PathBuf {
    match path.parent() == Some(folder) {
        true => folder.join(format!(".packages-{name}")),
        false => path.join(".beep-python-packages"),
    }
}

/// The packages that must be installed after a change of packages. It is written before the change and removed after
/// it, so finding one means that the change was interrupted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::environment) struct Journal {
    pub(super) packages: Vec<Package>,
    /// The URLs of packages that came from no index, by normalized name.
    #[serde(default)]
    pub(super) origins: BTreeMap<String, String>,
}

impl Journal {
    /// A journal of these packages.
    pub(in crate::environment) fn of(environment: &Environment, packages: impl Iterator<Item = Package>) -> Journal {
        let folders = by_name(&environment.site_packages);
        let packages: Vec<Package> = packages.collect();
        let names = packages.iter().map(|package| normal(&package.name));
        let origins = names.filter_map(|name| Some((name.clone(), origin(folders.get(&name)?)?))).collect();
        Journal { packages, origins }
    }

    /// Calls `tell` with each package, and its URL if it came from no index.
    pub(super) fn each(&self, mut tell: impl FnMut(&Package, Option<&str>)) {
        for package in &self.packages {
            tell(package, self.origins.get(&normal(&package.name)).map(String::as_str));
        }
    }

    /// The journal of a change that is in progress or was interrupted.
    pub(in crate::environment) fn read(environment: &Environment) -> Option<Journal> {
        match fs::read(Journal::path(&environment.path)) {
            Ok(json) => Some(serde_json::from_slice(&json).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(Journal::default()),
        }
    }

    pub(in crate::environment) fn open(&self, environment: &Environment) -> Result<(), FileError> {
        self.write(&environment.path)
    }

    /// Writes the journal into a folder that is not at its final path yet.
    pub(in crate::environment) fn write(&self, folder: &Path) -> Result<(), FileError> {
        replace_file(Journal::path(folder), &serde_json::to_vec(self).unwrap_or_default())
    }

    pub(in crate::environment) fn close(environment: &Environment) -> Result<(), FileError> {
        let path = Journal::path(&environment.path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed_to("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Whether an environment's folder has a journal.
    pub(in crate::environment) fn is_in(folder: &Path) -> bool {
        Journal::path(folder).exists()
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join("beep-python.installing.json")
    }
}

/// The URL that a package was installed from, in a requirement's form; `None` for a package of an index.
fn origin(folder: &Path) -> Option<String> {
    let json: Value = serde_json::from_slice(&fs::read(folder.join("direct_url.json")).ok()?).ok()?;
    let url = json["url"].as_str()?;
    match (json["vcs_info"]["vcs"].as_str(), json["vcs_info"]["commit_id"].as_str()) {
        (Some(vcs), Some(commit)) => Some(format!("{vcs}+{url}@{commit}")),
        // With the hash that was verified at the time, if any.
        _ => match json["archive_info"]["hashes"]["sha256"].as_str() {
            Some(hash) if !url.contains('#') => Some(format!("{url}#sha256={hash}")),
            _ => Some(url.to_owned()),
        },
    }
}
