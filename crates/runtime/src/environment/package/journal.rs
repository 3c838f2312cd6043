//! The lock on an environment's packages, and the journal of a change in progress.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::damage::{Comparing, damaged};
use super::error::PackageError;
use super::installed::{Package, by_name, normal};
use super::origin::Origin;
use super::progress::PackageProgress;
use crate::environment::environment::Environment;
use crate::environment::error::EnvironmentError;
use crate::environment::manager::VenvManager;
use crate::platform::{FileError, FileLock, describe_process, failed_to, replace_file};

/// Acquires the right to change an environment's packages; waits while another process or thread holds it, for as long
/// as the settings say.
pub(in crate::environment) fn lock(manager: &VenvManager, environment: &Environment) -> Result<FileLock, PackageError> {
    acquire(
        manager,
        &lock_path(&manager.home().environments()?, &environment.name, &environment.path),
        &environment.path,
    )
}

/// Acquires the same right for an environment of the home, by its name: also for one that does not exist yet.
pub(in crate::environment) fn lock_by_name(manager: &VenvManager, name: &str) -> Result<FileLock, EnvironmentError> {
    let folder = manager.home().environments()?;
    let path = folder.join(name);
    acquire(manager, &lock_path(&folder, name, &path), &path).map_err(|error| match error {
        PackageError::File(error) => error.into(),
        source => EnvironmentError::Packages { name: name.into(), source },
    })
}

fn acquire(manager: &VenvManager, lock: &Path, environment: &Path) -> Result<FileLock, PackageError> {
    let timeout = manager.package_settings().lock_timeout;
    let mut holders = Vec::new();
    let acquired = FileLock::acquire_within(lock, timeout, |pids| {
        holders = pids.into_iter().map(describe_process).collect();
        manager.progress().report(&PackageProgress::waiting(&holders));
    })?;
    acquired.ok_or_else(|| PackageError::Busy { path: environment.to_owned(), holders, timeout })
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
    /// Where packages came from that came from no index, by normalized name.
    #[serde(default)]
    pub(super) origins: BTreeMap<String, Origin>,
}

impl Journal {
    /// A journal of these packages.
    pub(in crate::environment) fn of(environment: &Environment, packages: impl Iterator<Item = Package>) -> Journal {
        let folders = by_name(&environment.site_packages);
        let packages: Vec<Package> = packages.collect();
        let names = packages.iter().map(|package| normal(&package.name));
        let origins = names.filter_map(|name| Some((name.clone(), Origin::read(folders.get(&name)?)?))).collect();
        Journal { packages, origins }
    }

    /// Where a package came from, if from no index.
    pub(super) fn origin(&self, package: &Package) -> Option<&Origin> {
        self.origins.get(&normal(&package.name))
    }

    /// Whether the environment has all of its packages, undamaged.
    pub(super) fn is_fulfilled(&self, environment: &Environment) -> bool {
        let found = by_name(&environment.site_packages);
        self.packages.iter().all(|package| found.contains_key(&normal(&package.name)))
            && damaged(&environment.site_packages, Comparing::Sizes).is_empty()
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
