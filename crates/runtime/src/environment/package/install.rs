//! Installing what is wanted and not there yet.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::{CheckDepth, CheckResult, check};
use super::installed::{by_name, damaged, installed, normal};
use super::remove::{Contents, remove_package};
use super::tool::{Tool, Work};
use super::{Package, PackageError, PackageStage, Requirements, Scratch};
use crate::environment::{Environment, VenvManager};
use crate::platform::{FileError, FileLock, failed_to, replace_file};

/// What came of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The packages that were asked for, as they are now; those of a path or address only when they were installed now.
    pub packages: Vec<Package>,
    /// What was installed or replaced now, with what the packages require themselves; empty when all was there.
    pub changed: Vec<Package>,
    /// What installed it, `uv` or `pip`; `None` when neither was run.
    pub tool: Option<&'static str>,
}

impl VenvManager {
    /// Installs packages into an environment. What is satisfied already is left alone, and when all of it is, no tool is
    /// run. When it cannot be done, nothing is changed.
    ///
    /// Another call that installs into the same environment is waited for, in whichever process it is.
    pub fn install(&self, environment: &Environment, wanted: &Requirements) -> Result<Installed, PackageError> {
        if Journal::read(environment).is_none()
            && let CheckResult::Satisfied(packages) = check(environment, wanted, CheckDepth::Transitive)
        {
            return Ok(Installed { packages, changed: Vec::new(), tool: None });
        }
        let lock = lock(self, environment)?;
        self.install_holding(&lock, environment, wanted, false)
    }

    /// Whether all that is wanted, and what that requires itself, is installed: told from files, nothing is run. False
    /// when it cannot be told, as of a path.
    pub fn satisfied(&self, environment: &Environment, wanted: &Requirements) -> bool {
        Journal::read(environment).is_none()
            && matches!(check(environment, wanted, CheckDepth::Transitive), CheckResult::Satisfied(_))
    }

    /// The packages of an environment, by name.
    pub fn packages(&self, environment: &Environment) -> Vec<Package> {
        installed(&environment.site_packages)
    }

    /// Installs while the environment's packages are locked; with `mend`, what is damaged is made whole too, as it always
    /// is after an installation that did not come to its end.
    pub(in crate::environment) fn install_holding(
        &self,
        lock: &FileLock,
        environment: &Environment,
        wanted: &Requirements,
        mend: bool,
    ) -> Result<Installed, PackageError> {
        let site_packages = &environment.site_packages;
        let journal = Journal::read(environment);
        let damaged = match mend || journal.is_some() {
            true => damaged(site_packages, journal.is_some()),
            false => Vec::new(),
        };
        let is_damaged = |package: &Package| damaged.iter().any(|damaged| is_same(&damaged.package, package));
        let whole: Vec<Package> = installed(site_packages).into_iter().filter(|p| !is_damaged(p)).collect();
        let before = journal.clone().unwrap_or_else(|| {
            let damaged = damaged.iter().map(|damaged| damaged.package.clone());
            Journal::of(environment, whole.iter().cloned().chain(damaged))
        });
        let mut all = wanted.clone();
        let lost: Vec<&Package> =
            before.packages.iter().filter(|package| !whole.iter().any(|whole| is_same(whole, package))).collect();
        for package in &lost {
            all.push_exact(package, before.origins.get(&normal(&package.name)).map(String::as_str));
        }

        before.open(environment)?;
        let scratch = Scratch::begin(&environment.path)?;
        for damaged in &damaged {
            tracing::warn!("{} in {} is damaged", damaged.package.name, environment.path.display());
            remove_package(environment, &damaged.folder)?;
        }
        if let CheckResult::Satisfied(packages) = check(environment, &all, CheckDepth::Transitive) {
            Journal::close(environment)?;
            return Ok(Installed { packages, changed: Vec::new(), tool: None });
        }
        let contents = Contents::of(environment);
        let done = Tool::find(self.home(), self.package_settings(), environment).and_then(|tool| {
            let settings = self.package_settings();
            let work = Work { action: "install", wanted: &all, lock, scratch: &scratch, settings };
            tool.install(environment, &work, self.progress())?;
            Ok(tool)
        });
        let tool = match done {
            Ok(tool) => tool.name(),
            Err(error) => {
                contents.restore(environment);
                // Or the tool had begun to replace what was there.
                if lost.is_empty()
                    && installed(site_packages) == whole
                    && self::damaged(site_packages, false).is_empty()
                {
                    Journal::close(environment)?;
                }
                return Err(error);
            }
        };
        let now = installed(site_packages);
        let changed: Vec<Package> = now.into_iter().filter(|package| !whole.contains(package)).collect();
        let packages = match check(environment, wanted, CheckDepth::Direct) {
            CheckResult::Satisfied(packages) => packages,
            CheckResult::Unknown => changed.clone(),
            CheckResult::Unsatisfied(requirement) => {
                return Err(PackageError::StillMissing { tool, requirement, path: environment.path.clone() });
            }
        };
        Journal::close(environment)?;
        Ok(Installed { packages, changed, tool: Some(tool) })
    }
}

/// The right to change an environment's packages, for one process at a time.
pub(in crate::environment) fn lock(manager: &VenvManager, environment: &Environment) -> Result<FileLock, PackageError> {
    let path = lock_path(&manager.home().environments()?, &environment.name, &environment.path);
    if let Some(lock) = FileLock::try_acquire(&path)? {
        return Ok(lock);
    }
    manager.progress().report_stage(PackageStage::Waiting);
    Ok(FileLock::acquire(path)?)
}

/// Where that lock is: beside the environment where it is one of the home's, which lie in `folder`.
pub(in crate::environment) fn lock_path(folder: &Path, name: &str, path: &Path) -> PathBuf {
    match path.parent() == Some(folder) {
        true => folder.join(format!(".packages-{name}")),
        false => path.join(".beep-python-packages"),
    }
}

/// While packages are changed, what is to be there in any case: it is found when the change did not come to its end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::environment) struct Journal {
    packages: Vec<Package>,
    /// Where those came from that are in no index, by the names that an index would write.
    #[serde(default)]
    origins: BTreeMap<String, String>,
}

impl Journal {
    /// That these packages are to be there.
    pub(in crate::environment) fn of(environment: &Environment, packages: impl Iterator<Item = Package>) -> Journal {
        let folders = by_name(&environment.site_packages);
        let packages: Vec<Package> = packages.collect();
        let names = packages.iter().map(|package| normal(&package.name));
        let origins = names.filter_map(|name| Some((name.clone(), origin(folders.get(&name)?)?))).collect();
        Journal { packages, origins }
    }

    /// Each package, with where it came from if it is in no index.
    pub(super) fn each(&self, mut tell: impl FnMut(&Package, Option<&str>)) {
        for package in &self.packages {
            tell(package, self.origins.get(&normal(&package.name)).map(String::as_str));
        }
    }

    /// The journal of a change that is under way or did not come to its end.
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

    /// The same for an environment that is not in its place yet.
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

    /// Whether there is one in the folder of an environment.
    pub(in crate::environment) fn is_in(folder: &Path) -> bool {
        Journal::path(folder).exists()
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join("beep-python.installing.json")
    }
}

/// The address that a package was installed from, as a requirement says it; `None` of one from an index.
fn origin(folder: &Path) -> Option<String> {
    let json: Value = serde_json::from_slice(&fs::read(folder.join("direct_url.json")).ok()?).ok()?;
    let url = json["url"].as_str()?;
    match (json["vcs_info"]["vcs"].as_str(), json["vcs_info"]["commit_id"].as_str()) {
        (Some(vcs), Some(commit)) => Some(format!("{vcs}+{url}@{commit}")),
        // With the hash that was checked then, where there was one.
        _ => match json["archive_info"]["hashes"]["sha256"].as_str() {
            Some(hash) if !url.contains('#') => Some(format!("{url}#sha256={hash}")),
            _ => Some(url.to_owned()),
        },
    }
}

fn is_same(a: &Package, b: &Package) -> bool {
    normal(&a.name) == normal(&b.name)
}
