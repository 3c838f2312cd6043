//! Removing packages, by their own lists of files, without a tool.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::check::requirers;
use super::error::PackageError;
use super::installed::{Package, by_name, installed, normal, read, recorded};
use super::journal::{Journal, lock};
use super::requirement::Requirements;
use crate::environment::environment::Environment;
use crate::environment::manager::VenvManager;
use crate::platform::{FileError, failed_to};

/// The outcome of a removal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The removed packages.
    pub packages: Vec<Package>,
    /// The given names that were not installed.
    pub absent: Vec<String>,
    /// Requirements of other installed packages that are now missing: `pandas requires numpy`.
    pub orphaned: Vec<String>,
}

impl VenvManager {
    /// Removes packages, given by name, from an environment. Their dependencies stay.
    ///
    /// The next change of the environment's packages completes an interrupted removal.
    pub fn uninstall(&self, environment: &Environment, names: &[impl AsRef<str>]) -> Result<Removed, PackageError> {
        let names = names.iter().map(|name| plain(name.as_ref())).collect::<Result<BTreeSet<String>, _>>()?;
        let _lock = lock(self, environment)?;
        let found = by_name(&environment.site_packages);
        let (there, absent): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| found.contains_key(*name));
        let mut removed = Removed { absent: absent.into_iter().cloned().collect(), ..Removed::default() };
        if there.is_empty() {
            return Ok(removed);
        }
        let folders: Vec<&PathBuf> = there.iter().map(|name| &found[*name]).collect();
        // Check first: a package without its list of files cannot be removed.
        for folder in &folders {
            let list = folder.join("RECORD");
            fs::metadata(&list).map_err(failed_to("read", &list))?;
        }
        let interrupted = Journal::read(environment).is_some();
        if !interrupted {
            let stay = installed(&environment.site_packages).into_iter();
            Journal::of(environment, stay.filter(|package| !names.contains(&normal(&package.name))))
                .open(environment)?;
        }
        for folder in folders {
            removed.packages.extend(read(&folder.join("METADATA")).map(|metadata| metadata.package));
            remove_package(environment, folder)?;
        }
        if !interrupted {
            Journal::close(environment)?;
        }
        removed.orphaned = requirers(environment, &names);
        tracing::info!(environment = environment.name, packages = removed.packages.len(), "packages removed");
        Ok(removed)
    }
}

/// The normalized name. Rejects anything but a name.
fn plain(text: &str) -> Result<String, PackageError> {
    Requirements::new([text])?;
    let text = text.trim();
    match text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        true => Ok(normal(text)),
        false => Err(PackageError::NotARequirement {
            text: text.chars().take(200).collect(),
            reason: "only a name is accepted here".into(),
        }),
    }
}

/// Removes the package of the `dist-info` folder `folder`: its files, folders that are empty then, and `folder` last.
/// Files outside the environment stay, whatever the list says.
pub(super) fn remove_package(environment: &Environment, folder: &Path) -> Result<(), FileError> {
    let list = fs::read_to_string(folder.join("RECORD")).unwrap_or_default();
    let mut parents = BTreeSet::new();
    for file in list.lines().filter_map(recorded) {
        let Some(path) = inside(environment, &file.path) else { continue };
        if path.starts_with(folder) {
            continue;
        }
        remove_file(&path)?;
        if let Some(compiled) = compiled_of(&path) {
            for path in compiled {
                remove_file(&path)?;
            }
        }
        parents.extend(path.parent().map(Path::to_owned));
    }
    // The deepest first. A folder that is not empty stays, as do its parents.
    for parent in parents.iter().rev() {
        let mut folder = parent.as_path();
        while folder != environment.site_packages && folder.starts_with(&environment.site_packages) {
            let _ = fs::remove_dir(folder.join("__pycache__"));
            if fs::remove_dir(folder).is_err() {
                break;
            }
            folder = folder.parent().unwrap_or(&environment.site_packages);
        }
    }
    fs::remove_dir_all(folder).map_err(failed_to("remove", folder))
}

fn remove_file(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed_to("remove", path)(error)),
        _ => Ok(()),
    }
}

/// A path of a list, which is relative to `site-packages`, if it is inside the environment.
fn inside(environment: &Environment, path: &str) -> Option<PathBuf> {
    let mut whole = PathBuf::new();
    for part in environment.site_packages.join(path).components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    (whole.starts_with(&environment.path) && whole != environment.path).then_some(whole)
}

/// The compiled files that Python wrote beside a module.
fn compiled_of(path: &Path) -> Option<Vec<PathBuf>> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".py")?;
    let entries = fs::read_dir(path.parent()?.join("__pycache__")).ok()?.flatten();
    let is_of = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(".cpython-") && rest.ends_with(".pyc"))
    };
    Some(entries.map(|entry| entry.path()).filter(is_of).collect())
}

/// A listing of the folders that packages are installed into.
pub(super) struct Contents(BTreeSet<PathBuf>);

impl Contents {
    pub(super) fn of(environment: &Environment) -> Contents {
        let folders = [environment.site_packages.clone(), environment.path.join("bin")];
        let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        Contents(entries.map(|entry| entry.path()).collect())
    }

    /// Removes everything that was added since: the remains of a failed installation.
    pub(super) fn restore(&self, environment: &Environment) {
        for path in Contents::of(environment).0.difference(&self.0) {
            let removed = match path.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
                _ => fs::remove_file(path),
            };
            if let Err(error) = removed {
                tracing::warn!("cannot remove {}, left by a failed installation: {error}", path.display());
            }
        }
    }
}
