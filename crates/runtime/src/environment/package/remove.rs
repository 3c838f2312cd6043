//! Uninstalling packages, without a tool.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::aside::Aside;
use super::check::requirers;
use super::damage::{damage_of_record, named};
use super::error::PackageError;
use super::files::remove_package;
use super::installed::{Package, by_name, installed, normal, read};
use super::journal::{Journal, lock};
use super::requirement::Requirements;
use crate::environment::environment::Environment;
use crate::environment::manager::VenvManager;

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
        Aside::recover(environment);
        let found = by_name(&environment.site_packages);
        let journal = Journal::read(environment);
        // What an interrupted change owes is not asked for any more.
        let (struck, stay): (Vec<Package>, Vec<Package>) = match &journal {
            Some(journal) => {
                journal.packages.iter().cloned().partition(|package| names.contains(&normal(&package.name)))
            }
            None => (Vec::new(), installed(&environment.site_packages)),
        };
        let (there, absent): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| found.contains_key(*name));
        let was_owed = |name: &str| struck.iter().find(|package| normal(&package.name) == name);
        let mut removed = Removed::default();
        for name in absent {
            match was_owed(name) {
                Some(package) => removed.packages.push(package.clone()),
                None => removed.absent.push(name.clone()),
            }
        }
        if there.is_empty() && struck.is_empty() {
            return Ok(removed);
        }
        let folders: Vec<&PathBuf> = there.iter().map(|name| &found[*name]).collect();
        // Check first: a package without its list of files cannot be removed.
        for folder in &folders {
            check_removable(self, environment, folder)?;
        }
        let stay = stay.into_iter().filter(|package| !names.contains(&normal(&package.name)));
        let next = match journal.clone() {
            Some(journal) => Journal { packages: stay.collect(), ..journal },
            None => Journal::of(environment, stay),
        };
        next.open(environment)?;
        for folder in folders {
            let name = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.split_once('-'));
            let metadata = read(&folder.join("METADATA")).map(|metadata| metadata.package);
            let package = metadata.or_else(|| was_owed(&normal(name?.0)).cloned());
            removed.packages.extend(package);
            remove_package(environment, folder)?;
        }
        if journal.is_none() || next.is_fulfilled(environment) {
            Journal::close(environment)?;
        }
        removed.orphaned = requirers(environment, &names);
        tracing::info!(environment = environment.name, packages = removed.packages.len(), "packages removed");
        Ok(removed)
    }
}

/// Refuses a package whose list of files is lost, as uv and pip do: its modules would stay, and could still be imported.
pub(super) fn check_removable(
    manager: &VenvManager,
    environment: &Environment,
    folder: &Path,
) -> Result<(), PackageError> {
    let Some(damage) = damage_of_record(folder) else { return Ok(()) };
    let package = named(folder).map(|package| format!("{} {}", package.name, package.version));
    Err(PackageError::NotRemovable {
        package: package.unwrap_or_else(|| folder.display().to_string()),
        environment: environment.name.clone(),
        folder: folder.to_owned(),
        reason: damage.to_string(),
        repairable: manager.is_own(environment),
    })
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
