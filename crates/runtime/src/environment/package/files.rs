//! The files of packages: removed by the packages' own lists, or because they were added since.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::installed::recorded;
use crate::environment::environment::Environment;
use crate::platform::{FileError, failed_to};

/// Removes the package of the `dist-info` folder `folder`: its files, folders that are empty then, and `folder` last.
/// Files outside the environment stay, whatever the list says.
pub(super) fn remove_package(environment: &Environment, folder: &Path) -> Result<(), FileError> {
    remove_files(environment, folder, &BTreeSet::new())
}

/// Does the same, but for the files of the list `keep`, which another package has.
pub(super) fn remove_files(environment: &Environment, folder: &Path, keep: &BTreeSet<String>) -> Result<(), FileError> {
    let list = fs::read_to_string(folder.join("RECORD")).unwrap_or_default();
    let mut parents = BTreeSet::new();
    for file in list.lines().filter_map(recorded) {
        let Some(path) = inside(environment, &file.path) else { continue };
        if path.starts_with(folder) {
            continue;
        }
        if !keep.contains(&file.path) {
            remove_file(&path)?;
        }
        // Python would take what was compiled for the same where size and time of the module are the same.
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
