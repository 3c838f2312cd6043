//! What state an environment is in.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{self, site_packages};
use super::package::{self, Journal, Package};
use super::record::{self, EnvironmentRecord};
use super::usage_lock;
use crate::interpreter::{Version, query};
use crate::platform::{FileLock, Home, error_chain};

/// Whether an environment can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EnvironmentState {
    /// Nothing is wrong with it.
    Healthy,
    /// It has no record of ours, so we leave it alone.
    #[serde(rename = "not_ours")]
    Foreign {
        /// Why we think so.
        reason: String,
    },
    /// The Python that it was made with is gone or does not run.
    InterpreterGone {
        /// Its executable.
        interpreter: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The Python that it was made with is now of another series, for which its packages were not made.
    InterpreterChanged {
        /// Its executable.
        interpreter: PathBuf,
        /// The version it was.
        was: Version,
        /// The version it is.
        is: Version,
    },
    /// Its own Python does not run, or not as that of this environment.
    #[serde(rename = "does_not_run")]
    Unrunnable {
        /// What happened.
        reason: String,
    },
    /// Some of its packages are not whole.
    PackagesDamaged {
        /// What is wrong.
        reason: String,
        /// Those that are known not to be whole: `numpy 2.1.0`.
        damaged: Vec<String>,
    },
}

/// What is known of one environment.
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
    /// Who made it, and with what; `None` when that is not known.
    pub record: Option<EnvironmentRecord>,
    /// What is installed in it, by name.
    pub packages: Vec<Package>,
    /// What its files take on the disk, in bytes; `None` where that was not asked for.
    pub size_bytes: Option<u64>,
    /// When it was last used or changed, in seconds since 1970; within a day, as file systems keep it.
    pub last_used: Option<u64>,
    /// The processes that run sessions in it, as far as they can be told.
    #[serde(default)]
    pub users: Vec<u32>,
}

impl EnvironmentStatus {
    /// Takes its size, which reads all of its folders.
    pub fn measure(&mut self) {
        self.size_bytes = Some(size(&self.path));
    }
}

/// What is known of the folder without running anything that was run before.
pub(super) fn quick_status(home: &Home, name: &str, path: &Path) -> EnvironmentStatus {
    let (state, record) = match EnvironmentRecord::recover(path) {
        Err(reason) => (EnvironmentState::Foreign { reason: format!("{}: {reason}", record::FILE) }, None),
        Ok(record) => (interpreter_state(home, &record), Some(record)),
    };
    let state = match state {
        EnvironmentState::Healthy if is_interrupted(home, name, path) => interrupted(),
        state => state,
    };
    let packages = library(path).map(|library| package::installed(&library)).unwrap_or_default();
    let last_used = last_used(path, record.as_ref());
    let users = usage_lock::users(path);
    EnvironmentStatus {
        name: name.into(),
        path: path.into(),
        state,
        record,
        packages,
        size_bytes: None,
        last_used,
        users,
    }
}

/// What an environment is in which a change of its packages was begun and not ended.
pub(super) fn interrupted() -> EnvironmentState {
    EnvironmentState::PackagesDamaged {
        reason: "a change of its packages did not come to its end; ask for it again when this is mended".into(),
        damaged: Vec::new(),
    }
}

/// The same, with the environment's Python run and its size taken.
pub(super) fn full_status(home: &Home, name: &str, path: &Path) -> EnvironmentStatus {
    let mut status = quick_status(home, name, path);
    if let (EnvironmentState::Healthy, Some(record)) = (&status.state, &status.record) {
        let checked = query(home, &record.interpreter).map_err(|error| error_chain(&error)).and_then(|base| {
            layout::verify(path, &base.version, Some(&base.prefix)).map_err(|error| error_chain(&error))
        });
        if let Err(reason) = checked {
            status.state = EnvironmentState::Unrunnable { reason };
        }
    }
    if let (EnvironmentState::Healthy | EnvironmentState::PackagesDamaged { .. }, Some(library)) =
        (&status.state, library(path))
    {
        let named = |damaged: package::Damaged| format!("{} {}", damaged.package.name, damaged.package.version);
        let found: Vec<String> = package::damaged(&library, false).into_iter().map(named).collect();
        match &mut status.state {
            EnvironmentState::PackagesDamaged { damaged, .. } => *damaged = found,
            _ if found.is_empty() => {}
            state => {
                let reason = format!("files are missing of {}", found.join(", "));
                *state = EnvironmentState::PackagesDamaged { reason, damaged: found };
            }
        }
    }
    status.measure();
    status
}

/// Every Python that starts in the environment reads `pyvenv.cfg`, whoever starts it; so its time of access is kept as
/// the environment's, and [`mark_used`] sets it where the file system does not.
fn last_used(path: &Path, record: Option<&EnvironmentRecord>) -> Option<u64> {
    let seconds = |time: i64| u64::try_from(time).ok();
    let accessed = fs::metadata(path.join("pyvenv.cfg")).ok().and_then(|metadata| seconds(metadata.atime()));
    let changed = library(path).and_then(|library| seconds(fs::metadata(library).ok()?.mtime()));
    accessed.max(changed).max(record.map(|record| record.created))
}

/// Notes that the environment is used now.
pub(super) fn mark_used(path: &Path) {
    use std::fs::{File, FileTimes};
    // What is read-only cannot be marked, nor pruned.
    let _ = File::open(path.join("pyvenv.cfg"))
        .and_then(|file| file.set_times(FileTimes::new().set_accessed(std::time::SystemTime::now())));
}

/// Whether a change of its packages did not come to its end; one that is under way still can.
fn is_interrupted(home: &Home, name: &str, path: &Path) -> bool {
    let Ok(folder) = home.environments() else { return false };
    let lock = || FileLock::try_acquire(package::lock_path(&folder, name, path));
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

/// The folder of its packages, found in its files: also right for an environment that somebody else made.
pub(super) fn library(path: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(path.join("lib")).ok()?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<PathBuf> = names
        .filter(|n| n.starts_with("python3"))
        .map(|name| site_packages(path, &name))
        .filter(|p| p.is_dir())
        .collect();
    found.sort();
    found.pop()
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let of = |path: &Path| match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => metadata.blocks() * 512 + size(path),
        // A file that is linked into several environments is counted in each.
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(|entry| of(&entry.path())).sum()
}
