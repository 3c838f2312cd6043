//! Installing what is wanted and not there yet.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::{Depth, Verdict, check};
use super::installed::{damaged, installed, normal};
use super::tool::Tool;
use super::{Package, PackageError, Requirements};
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
            && let Verdict::Satisfied(packages) = check(environment, wanted, Depth::All)
        {
            return Ok(Installed { packages, changed: Vec::new(), tool: None });
        }
        let lock = lock(self, environment)?;
        self.install_holding(&lock, environment, wanted, false)
    }

    /// Whether all that is wanted, and what that requires itself, is installed: told from files, nothing is run. False
    /// when it cannot be told, as of a path.
    pub fn satisfied(&self, environment: &Environment, wanted: &Requirements) -> bool {
        Journal::read(environment).is_none() && matches!(check(environment, wanted, Depth::All), Verdict::Satisfied(_))
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
            Journal { packages: whole.iter().cloned().chain(damaged).collect() }
        });
        let mut all = wanted.clone();
        let lost: Vec<&Package> =
            before.packages.iter().filter(|package| !whole.iter().any(|whole| is_same(whole, package))).collect();
        for package in &lost {
            all.push_exact(&package.name, &package.version);
        }

        before.open(environment)?;
        for damaged in &damaged {
            tracing::warn!("{} in {} is damaged", damaged.package.name, environment.path.display());
            fs::remove_dir_all(&damaged.folder).map_err(failed_to("remove", &damaged.folder))?;
        }
        if let Verdict::Satisfied(packages) = check(environment, &all, Depth::All) {
            Journal::close(environment)?;
            return Ok(Installed { packages, changed: Vec::new(), tool: None });
        }
        let done = Tool::find(self.home(), self.package_settings(), environment).and_then(|tool| {
            tool.install(environment, &all, lock, self.package_settings().timeout)?;
            Ok(tool)
        });
        let now = installed(site_packages);
        let tool = match done {
            Ok(tool) => tool.name(),
            Err(error) => {
                // The tool gave up before it touched anything.
                if lost.is_empty() && now == whole {
                    Journal::close(environment)?;
                }
                return Err(error);
            }
        };
        let changed: Vec<Package> = now.into_iter().filter(|package| !whole.contains(package)).collect();
        let packages = match check(environment, wanted, Depth::First) {
            Verdict::Satisfied(packages) => packages,
            Verdict::Unknown => changed.clone(),
            Verdict::Unsatisfied(requirement) => {
                return Err(PackageError::StillMissing { tool, requirement, path: environment.path.clone() });
            }
        };
        Journal::close(environment)?;
        Ok(Installed { packages, changed, tool: Some(tool) })
    }
}

/// The right to change an environment's packages, for one process at a time.
fn lock(manager: &VenvManager, environment: &Environment) -> Result<FileLock, PackageError> {
    let folder = manager.home().environments()?;
    let path = match environment.path.parent() == Some(&folder) {
        true => folder.join(format!(".packages-{}", environment.name)),
        false => environment.path.join(".beep-python-packages"),
    };
    Ok(FileLock::acquire(path)?)
}

/// While packages are installed, what was there before: it is found when that did not come to its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::environment) struct Journal {
    packages: Vec<Package>,
}

impl Journal {
    /// The journal of an installation that is under way or did not come to its end.
    pub(in crate::environment) fn read(environment: &Environment) -> Option<Journal> {
        match fs::read(Journal::path(environment)) {
            Ok(json) => Some(serde_json::from_slice(&json).unwrap_or(Journal { packages: Vec::new() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(Journal { packages: Vec::new() }),
        }
    }

    fn open(&self, environment: &Environment) -> Result<(), FileError> {
        replace_file(Journal::path(environment), &serde_json::to_vec(self).unwrap_or_default())
    }

    fn close(environment: &Environment) -> Result<(), FileError> {
        let path = Journal::path(environment);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed_to("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    fn path(environment: &Environment) -> PathBuf {
        environment.path.join("beep-python.installing.json")
    }
}

fn is_same(a: &Package, b: &Package) -> bool {
    normal(&a.name) == normal(&b.name)
}
