//! Repairing a broken environment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::EnvironmentError;
use super::layout;
use super::manager::VenvManager;
use super::package::check::unmet;
use super::package::damage::{Comparing, damaged};
use super::package::install::Installed;
use super::package::installed::Package;
use super::package::journal::{Journal, lock_by_name};
use super::package::requirement::Requirements;
use super::record::{self, EnvironmentRecord};
use super::relocate::{moved_from, relocate};
use super::status::{self, EnvironmentState, EnvironmentStatus};
use crate::interpreter::{Interpreter, PythonRuntimeManager, VersionRequest, query_anew};
use crate::platform::{FileLock, Staging, error_chain, failed_to};

/// The outcome of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The environment after the repair.
    pub environment: Environment,
    /// Its state before.
    pub was: EnvironmentState,
    /// The packages that were installed again, and the tool that did it.
    pub installed: Installed,
    /// The requirements of its packages that are still not met, as in the environment's status.
    pub unmet: Vec<String>,
}

impl VenvManager {
    /// Repairs an environment: its links and files when its Python is gone or does not run, and its damaged packages.
    /// Packages are restored in the same versions.
    ///
    /// The environment keeps its Python; when that is gone, another of the same series (3.12) takes its place. With
    /// `python`, it gets a matching one. For another series, all packages are installed anew.
    pub fn repair(&self, name: &str, python: Option<&VersionRequest>) -> Result<Repaired, EnvironmentError> {
        let path = self.existing(name)?;
        let lock = lock_by_name(self, name)?;
        let EnvironmentStatus { state: was, record, .. } = status::full_status(self.home(), name, &path);
        let was = match was {
            // This call holds the lock, so no change can be in progress: the journal is of an interrupted one.
            EnvironmentState::Healthy if Journal::is_in(&path) => status::interrupted(),
            was => was,
        };
        let Some(record) = record else {
            let reason = format!("{} is lost, and pyvenv.cfg cannot replace it", record::FILE);
            return Err(EnvironmentError::Foreign { path, reason });
        };
        let interpreter = self.interpreter_to_repair(name, &record, python)?;
        let is_sound = matches!(was, EnvironmentState::Healthy | EnvironmentState::PackagesDamaged { .. });
        let failed = |source| EnvironmentError::Packages { name: name.into(), source };
        let (environment, mut installed) = if is_sound && interpreter.path == record.interpreter {
            (self.open(name)?, Installed::default())
        } else {
            self.rebuild(&lock, name, &record, &interpreter)?
        };
        let mended = self.install_holding(&lock, &environment, &Requirements::default(), true).map_err(failed)?;
        add(&mut installed, mended);
        let broken = damaged(&environment.site_packages, Comparing::Hashes).into_iter().map(|damaged| damaged.package);
        let broken: Vec<Package> = broken.chain(installed.owed.iter().map(|owed| owed.package.clone())).collect();
        if !broken.is_empty()
            && let Some(again) = self.mend_without_cache(&lock, &environment, &broken).map_err(failed)?
        {
            installed.changed.retain(|package| !again.changed.contains(package));
            add(&mut installed, again);
        }
        let absent = unmet(&environment).into_iter().filter(|unmet| unmet.installed.is_none());
        let absent = Requirements::new(absent.map(|unmet| unmet.requirement)).map_err(failed)?;
        if !absent.is_empty() {
            match self.install_holding(&lock, &environment, &absent, false) {
                Ok(more) => add(&mut installed, more),
                Err(error) => installed.notices.push(error_chain(&error)),
            }
        }
        let unmet = unmet(&environment).iter().map(ToString::to_string).collect();
        tracing::info!(environment = name, ?was, changed = installed.changed.len(), "environment repaired");
        Ok(Repaired { environment, was, installed, unmet })
    }

    /// The requested Python; else the environment's own, else one of the same series.
    fn interpreter_to_repair(
        &self,
        name: &str,
        record: &EnvironmentRecord,
        python: Option<&VersionRequest>,
    ) -> Result<Interpreter, EnvironmentError> {
        let own = || {
            let own = [Some(record.interpreter.clone()), self.moved_interpreter(name, record)].into_iter().flatten();
            own.filter_map(|path| query_anew(self.home(), path).ok())
                .find(|own| own.version.series() == record.python.series())
        };
        if python.is_none()
            && let Some(own) = own()
        {
            return Ok(own);
        }
        let same_series = || record.python.series().parse().ok();
        let request = python.cloned().or_else(same_series);
        let found = PythonRuntimeManager::new(self.home().clone()).interpreter(request.as_ref())?;
        found.ok_or_else(|| EnvironmentError::NoRuntime { name: name.into(), request })
    }

    /// Where the environment's Python is after a move of the home, if it is a runtime of the home.
    fn moved_interpreter(&self, name: &str, record: &EnvironmentRecord) -> Option<PathBuf> {
        let from = moved_from(&self.existing(name).ok()?)?;
        let inside = record.interpreter.strip_prefix(from.parent()?.parent()?).ok()?;
        Some(self.home().root().join(inside))
    }

    /// Gives the environment another Python, or the same at another path. Packages stay if they work with it; else all
    /// of them are installed anew, beside the old environment, which stays when one cannot be had.
    fn rebuild(
        &self,
        lock: &FileLock,
        name: &str,
        record: &EnvironmentRecord,
        interpreter: &Interpreter,
    ) -> Result<(Environment, Installed), EnvironmentError> {
        let path = self.existing(name)?;
        let same_series = interpreter.version.series() == record.python.series();
        let (python, own) = (interpreter.version, interpreter.path.clone());
        let record = EnvironmentRecord { name: name.into(), interpreter: own, python, ..record.clone() };
        if same_series && layout::site_packages(&path, &interpreter.name()).is_dir() {
            // The path that it had is read from a file that `layout::repair` writes anew.
            if let Some(from) = moved_from(&path) {
                relocate(&path, &from, &path).map_err(failed_to("repair", &path))?;
            }
            layout::repair(&path, &record, interpreter)?;
            layout::verify(&path, &interpreter.version, Some(&interpreter.prefix))?;
            return Ok((self.open(name)?, Installed::default()));
        }
        let journal = match self.open(name) {
            Ok(old) => Journal::read(&old).unwrap_or_else(|| Journal::of(&old, self.packages(&old).into_iter())),
            Err(_) => Journal::default(),
        };
        let staging = Staging::begin(&self.folder()?, name)?;
        let staged = staging.staged_path();
        layout::build(&staged, &path, &record, interpreter).map_err(failed_to("create an environment in", &path))?;
        journal.write(&staged)?;
        layout::verify(&staged, &interpreter.version, Some(&interpreter.prefix))?;
        let new = Environment::at(staged.clone(), name.to_owned(), Some(record))?;
        let installed = self
            .install_holding(lock, &new, &Requirements::default(), true)
            .and_then(Installed::complete)
            .map_err(|source| EnvironmentError::Packages { name: name.into(), source })?;
        relocate(&staged, &staged, &path).map_err(failed_to("create an environment in", &path))?;
        keep_lock(&path, &staged).map_err(failed_to("copy the lock to", &staged))?;
        staging.commit(&staged)?;
        drop(staging);
        Ok((self.open(name)?, installed))
    }
}

/// The user's own lock is none of the packages.
fn keep_lock(old: &Path, new: &Path) -> io::Result<()> {
    match fs::copy(old.join("pylock.toml"), new.join("pylock.toml")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn add(all: &mut Installed, more: Installed) {
    all.changed.extend(more.changed);
    all.packages.extend(more.packages);
    // Each call tries again what the one before owed.
    all.owed = more.owed;
    all.notices.extend(more.notices);
    all.notices.dedup();
    all.tool = more.tool.or(all.tool);
}
