//! The state of an environment.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::error::EnvironmentError;
use super::manager::VenvManager;
use super::package::check::unmet;
use super::package::damage::{Comparing, Damage, Damaged, damaged};
use super::package::installed::{self, Package};
use super::package::journal::{self, Journal};
use super::record::{self, EnvironmentRecord};
use super::relocate::moved_from;
use super::{last_used, layout, usage_lock};
use crate::interpreter::{Version, query, query_anew};
use crate::platform::{FileLock, Home, error_chain, failed_to};

/// Whether an environment can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EnvironmentState {
    /// The environment is usable.
    Healthy,
    /// It has no record of beep-python, so it is left alone.
    #[serde(rename = "not_ours")]
    Foreign {
        /// Why the folder counts as foreign.
        reason: String,
    },
    /// The Python it was created with is gone or does not run.
    InterpreterGone {
        /// Its executable.
        interpreter: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The Python it was created with is now of another series, for which its packages were not built.
    InterpreterChanged {
        /// Its executable.
        interpreter: PathBuf,
        /// The version when it was created.
        was: Version,
        /// The version now.
        is: Version,
    },
    /// It was moved, or copied from elsewhere: its scripts and its activation still lead to its former path.
    Moved {
        /// Its former path.
        from: PathBuf,
    },
    /// Its own Python does not run, or reports other paths or another version.
    #[serde(rename = "does_not_run")]
    Unrunnable {
        /// What happened.
        reason: String,
    },
    /// Some of its packages lack files, or have others than their list of files says; or that list is lost.
    PackagesDamaged {
        /// What is wrong.
        reason: String,
        /// Packages known to be damaged: `numpy 2.1.0`.
        damaged: Vec<String>,
    },
}

/// The status of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Whether it can be used.
    #[serde(flatten)]
    pub state: EnvironmentState,
    /// Who created it, with which Python; `None` when that is unknown.
    pub record: Option<EnvironmentRecord>,
    /// The installed packages, by name.
    pub packages: Vec<Package>,
    /// The requirements of its packages that are not met: `beta 2.0 requires alpha>=3, which is not installed`. Empty
    /// when they were not checked.
    #[serde(default)]
    pub unmet: Vec<String>,
    /// Its size on disk, in bytes; `None` when it was not measured.
    pub size_bytes: Option<u64>,
    /// When it was last used or changed, in seconds since 1970. File systems keep this to within a day.
    pub last_used: Option<u64>,
    /// The processes that run sessions in it, as far as the system shows them.
    #[serde(default)]
    pub users: Vec<u32>,
}

impl EnvironmentStatus {
    /// Measures its size, which reads all of its folders.
    pub fn measure(&mut self) {
        self.size_bytes = Some(size(&self.path));
    }

    /// Checks the requirements of its packages, which reads the metadata of all.
    pub fn check_requirements(&mut self) {
        if let Ok(environment) = Environment::at(self.path.clone(), self.name.clone(), self.record.clone()) {
            self.unmet = unmet(&environment).iter().map(ToString::to_string).collect();
        }
    }
}

impl VenvManager {
    /// The status of every environment, by name, broken ones included. Runs no environment's Python.
    pub fn list(&self) -> Result<Vec<EnvironmentStatus>, EnvironmentError> {
        let folder = match self.folder() {
            Err(error) if error.is_missing_in_read_only() => return Ok(Vec::new()),
            folder => folder?,
        };
        let mut names: Vec<String> = fs::read_dir(&folder)
            .map_err(failed_to("read", &folder))?
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        Ok(names.iter().map(|name| quick_status(self.home(), name, &folder.join(name))).collect())
    }

    /// The full status of an environment, wherever it lies.
    pub fn status_of(&self, environment: &Environment) -> EnvironmentStatus {
        full_status(self.home(), &environment.name, &environment.path)
    }

    /// The full status of the environment of this name: runs its Python, checks its packages and measures its size.
    pub fn status(&self, name: &str) -> Result<EnvironmentStatus, EnvironmentError> {
        Ok(full_status(self.home(), name, &self.existing(name)?))
    }
}

/// The status that files show. An interpreter that was queried before is not run.
pub(super) fn quick_status(home: &Home, name: &str, path: &Path) -> EnvironmentStatus {
    let (state, record) = match EnvironmentRecord::recover(path) {
        Err(reason) => (EnvironmentState::Foreign { reason: format!("{}: {reason}", record::FILE) }, None),
        Ok(record) => (interpreter_state(home, &record), Some(record)),
    };
    let state = match state {
        EnvironmentState::Healthy if is_interrupted(home, name, path) => interrupted(),
        EnvironmentState::Healthy => match moved_from(path) {
            Some(from) => EnvironmentState::Moved { from },
            None => EnvironmentState::Healthy,
        },
        state => state,
    };
    let packages = layout::library(path).map(|library| installed::installed(&library)).unwrap_or_default();
    let last_used = last_used::read(path, record.as_ref());
    let users = usage_lock::users(path);
    EnvironmentStatus {
        name: name.into(),
        path: path.into(),
        state,
        record,
        packages,
        unmet: Vec::new(),
        size_bytes: None,
        last_used,
        users,
    }
}

/// The state after an interrupted change of packages.
pub(super) fn interrupted() -> EnvironmentState {
    EnvironmentState::PackagesDamaged {
        reason: "a change of its packages was interrupted; repeat it after the repair".into(),
        damaged: Vec::new(),
    }
}

/// The quick status, plus what running the environment's Python, checking its packages and measuring its size show.
pub(super) fn full_status(home: &Home, name: &str, path: &Path) -> EnvironmentStatus {
    let mut status = quick_status(home, name, path);
    if let (EnvironmentState::Healthy, Some(record)) = (&status.state, &status.record) {
        let checked = query_anew(home, &record.interpreter).map_err(|error| error_chain(&error)).and_then(|base| {
            layout::verify(path, &base.version, Some(&base.prefix)).map_err(|error| error_chain(&error))
        });
        if let Err(reason) = checked {
            status.state = EnvironmentState::Unrunnable { reason };
        }
    }
    if let (EnvironmentState::Healthy | EnvironmentState::PackagesDamaged { .. }, Some(library)) =
        (&status.state, layout::library(path))
    {
        let found = damaged(&library, Comparing::Sizes);
        if !found.is_empty() {
            status.state = packages_damaged(&found);
        }
    }
    status.check_requirements();
    status.measure();
    status
}

/// The state with these damaged packages, by what is wrong with them.
fn packages_damaged(found: &[Damaged]) -> EnvironmentState {
    let named = |damaged: &Damaged| format!("{} {}", damaged.package.name, damaged.package.version);
    let mut damages: BTreeMap<Damage, Vec<String>> = BTreeMap::new();
    found.iter().for_each(|damaged| damages.entry(damaged.damage).or_default().push(named(damaged)));
    let reasons = damages.into_iter().map(|(damage, of)| format!("{damage} of {}", of.join(", ")));
    EnvironmentState::PackagesDamaged {
        reason: reasons.collect::<Vec<_>>().join("; "),
        damaged: found.iter().map(named).collect(),
    }
}

/// Whether a change of packages was interrupted. One that is still in progress does not count.
fn is_interrupted(home: &Home, name: &str, path: &Path) -> bool {
    let Ok(folder) = home.environments() else { return false };
    let lock = || FileLock::try_acquire(journal::lock_path(&folder, name, path));
    Journal::is_in(path) && !matches!(lock(), Ok(None)) && Journal::is_in(path)
}

fn interpreter_state(home: &Home, record: &EnvironmentRecord) -> EnvironmentState {
    let interpreter = record.interpreter.clone();
    match query(home, &interpreter) {
        Err(error) => EnvironmentState::InterpreterGone { interpreter, reason: error_chain(&error) },
        Ok(base) if base.version.series() != record.python.series() => {
            EnvironmentState::InterpreterChanged { interpreter, was: record.python, is: base.version }
        }
        Ok(_) => EnvironmentState::Healthy,
    }
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let of = |path: &Path| match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => metadata.blocks() * 512 + size(path),
        // A file hard-linked into several environments counts in each.
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(|entry| of(&entry.path())).sum()
}
