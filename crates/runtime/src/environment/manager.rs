//! The environments of the home.

use std::fs;
use std::path::{Path, PathBuf};

use super::record::{self, EnvironmentRecord};
use super::status::{self, EnvironmentStatus};
use super::usage_lock::{self, DeleteLock};
use super::{EnvironmentError, PackageSettings, ProgressSink, check_environment_name, layout, provider};
use crate::interpreter::{Interpreter, query};
use crate::platform::{FileLock, Home, HomeError, Staging, failed_to};

/// Makes, opens, checks and removes the environments of a home.
///
/// Every change is made whole or not at all, and two processes at once do not disturb each other.
#[derive(Clone, Debug)]
pub struct VenvManager {
    home: Home,
    packages: PackageSettings,
    progress: ProgressSink,
    providers: Option<PathBuf>,
}

/// A virtual environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its name; of one that is not in the home, its folder's.
    pub name: String,
    /// Its folder, an absolute path.
    pub path: PathBuf,
    /// Its Python: `PATH/bin/python`.
    pub python: PathBuf,
    /// Where its packages are: `PATH/lib/python3.12/site-packages`.
    pub site_packages: PathBuf,
    /// Who made it, and with what; `None` when it is not ours.
    pub record: Option<EnvironmentRecord>,
}

impl VenvManager {
    /// The manager of this home's environments, set up by the environment variables.
    pub fn new(home: Home) -> VenvManager {
        VenvManager::with_package_settings(home, PackageSettings::from_env())
    }

    /// The manager of this home's environments.
    pub fn with_package_settings(home: Home, packages: PackageSettings) -> VenvManager {
        VenvManager { home, packages, progress: ProgressSink::default(), providers: provider::named_file() }
    }

    /// The same, with what this file says of providers beside, and instead of, what `providers.toml` in the home says.
    pub fn with_providers(self, file: impl Into<PathBuf>) -> VenvManager {
        VenvManager { providers: Some(file.into()), ..self }
    }

    pub(super) fn providers_file(&self) -> Option<&Path> {
        self.providers.as_deref()
    }

    /// The same, with packages installed otherwise.
    pub(super) fn with_other_packages(self, change: impl FnOnce(&mut PackageSettings)) -> VenvManager {
        let mut packages = self.packages.clone();
        change(&mut packages);
        VenvManager { packages, ..self }
    }

    /// The same, which tells of the progress of what it installs.
    pub fn with_progress(self, progress: ProgressSink) -> VenvManager {
        VenvManager { progress, ..self }
    }

    /// Who is told of the progress of installations.
    pub(super) fn progress(&self) -> &ProgressSink {
        &self.progress
    }

    /// How packages are installed.
    pub fn package_settings(&self) -> &PackageSettings {
        &self.packages
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Makes an environment, empty of packages, in-process: nothing is run when this Python is known.
    ///
    /// Fails when there is one of this name; see [`ensure`](Self::ensure).
    pub fn create(&self, name: &str, interpreter: &Interpreter) -> Result<Environment, EnvironmentError> {
        self.make(EnvironmentRecord::new(name, interpreter), interpreter)
    }

    /// Makes the environment of a provider, or of one of its models, empty of packages. It is called what
    /// [`name_for_provider`](Self::name_for_provider) says, so that
    /// [`ensure_provider_environment`](Self::ensure_provider_environment) finds and fills it.
    pub fn create_for_provider(
        &self,
        provider: &str,
        model: Option<&str>,
        interpreter: &Interpreter,
    ) -> Result<Environment, EnvironmentError> {
        let name = self.name_for_provider(provider, model)?;
        let mut record = EnvironmentRecord::new(&name, interpreter);
        record.provider = Some(provider.to_owned());
        record.model = model.map(str::to_owned);
        self.make(record, interpreter)
    }

    /// The environment of this name, made when there is none; true when it was made.
    pub fn ensure(&self, name: &str, interpreter: &Interpreter) -> Result<(Environment, bool), EnvironmentError> {
        match self.open(name) {
            Err(EnvironmentError::NotFound { .. }) => {}
            opened => return Ok((opened?, false)),
        }
        match self.create(name, interpreter) {
            // Somebody was quicker.
            Err(EnvironmentError::AlreadyExists { .. }) => Ok((self.open(name)?, false)),
            created => Ok((created?, true)),
        }
    }

    /// The environment of this name. Nothing is run; a folder that we did not make is refused.
    pub fn open(&self, name: &str) -> Result<Environment, EnvironmentError> {
        let path = self.existing(name)?;
        let record = EnvironmentRecord::recover(&path).map_err(|reason| EnvironmentError::Foreign {
            path: path.clone(),
            reason: format!("{}: {reason}", record::FILE),
        })?;
        Environment::of(path, name.to_owned(), Some(record))
    }

    /// The environment at a path, which may be anybody's. Nothing is run.
    pub fn open_path(&self, path: impl AsRef<Path>) -> Result<Environment, EnvironmentError> {
        let path = path.as_ref();
        let path = std::path::absolute(path).map_err(failed_to("find", path))?;
        let lacks = |reason: &str| EnvironmentError::NotAnEnvironment { path: path.clone(), reason: reason.into() };
        if !path.is_dir() {
            return Err(lacks("there is no such folder"));
        }
        if !path.join("pyvenv.cfg").is_file() {
            return Err(lacks("it has no pyvenv.cfg"));
        }
        let name = path.file_name().map_or_else(|| "/".into(), |name| name.to_string_lossy().into_owned());
        let record = EnvironmentRecord::read(&path).ok();
        Environment::of(path, name, record)
    }

    /// Every environment, by name, with the state that can be told without running it; also those that are broken.
    pub fn list(&self) -> Result<Vec<EnvironmentStatus>, EnvironmentError> {
        let folder = self.folder()?;
        let mut names: Vec<String> = fs::read_dir(&folder)
            .map_err(failed_to("read", &folder))?
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        Ok(names.iter().map(|name| status::quick_status(&self.home, name, &folder.join(name))).collect())
    }

    /// What state the environment of this name is in: its Python is run, its packages listed, its size taken.
    pub fn status(&self, name: &str) -> Result<EnvironmentStatus, EnvironmentError> {
        Ok(status::full_status(&self.home, name, &self.existing(name)?))
    }

    /// Removes the environment of this name; a folder that we did not make is refused.
    ///
    /// One that a server runs in is refused: the server must have been stopped.
    pub fn delete(&self, name: &str) -> Result<(), EnvironmentError> {
        let path = self.existing(name)?;
        let _delete_lock = match DeleteLock::try_acquire(&path) {
            DeleteLock::InUse(pids) => return Err(EnvironmentError::InUse { name: name.into(), pids }),
            acquired => acquired,
        };
        // What is being installed into it comes to its end first.
        let _packages = FileLock::acquire(self.folder()?.join(format!(".packages-{name}")))?;
        self.remove(name)
    }

    /// Removes it while its packages are locked.
    pub(super) fn remove(&self, name: &str) -> Result<(), EnvironmentError> {
        let folder = self.folder()?;
        let staging = Staging::begin(&folder, name)?;
        let path = self.existing(name)?;
        EnvironmentRecord::recover(&path)
            .map_err(|reason| EnvironmentError::Foreign { path, reason: format!("{}: {reason}", record::FILE) })?;
        staging.remove()?;
        Staging::sweep(&folder);
        Ok(())
    }

    pub(super) fn make(
        &self,
        record: EnvironmentRecord,
        interpreter: &Interpreter,
    ) -> Result<Environment, EnvironmentError> {
        let name = record.name.clone();
        check_environment_name(&name)?;
        interpreter.check_supported()?;
        let folder = self.folder()?;
        Staging::sweep(&folder);
        let staging = Staging::begin(&folder, &name)?;
        let (final_path, staged) = (staging.final_path(), staging.staged_path());
        if final_path.symlink_metadata().is_ok() {
            return Err(EnvironmentError::AlreadyExists { name, path: final_path });
        }
        layout::build(&staged, &final_path, &record, interpreter)
            .map_err(failed_to("make an environment in", &final_path))?;
        // What this Python is was learned by running it. Only when it is not what it was is there more to find out.
        if !matches!(query(&self.home, &interpreter.path), Ok(known) if known == *interpreter) {
            layout::verify(&staged, &interpreter.version, Some(&interpreter.prefix))?;
        }
        let path = staging.commit(&staged)?;
        Environment::of(path, name, Some(record))
    }

    /// The folder of an environment that is there.
    pub(super) fn existing(&self, name: &str) -> Result<PathBuf, EnvironmentError> {
        check_environment_name(name)?;
        let path = self.folder()?.join(name);
        if path.is_dir() { Ok(path) } else { Err(EnvironmentError::NotFound { name: name.into() }) }
    }

    pub(super) fn folder(&self) -> Result<PathBuf, HomeError> {
        self.home.environments()
    }
}

impl Environment {
    /// Notes that it is used now, as whoever starts a Python in it should: [`EnvironmentStatus::last_used`] tells it.
    pub fn mark_used(&self) {
        status::mark_used(&self.path);
    }

    /// Where its own lock is, when there is one: `PATH/pylock.toml`.
    pub fn lock_file(&self) -> PathBuf {
        self.path.join("pylock.toml")
    }

    /// The processes that run sessions in it, as far as they can be told.
    pub fn users(&self) -> Vec<u32> {
        usage_lock::users(&self.path)
    }

    fn of(path: PathBuf, name: String, record: Option<EnvironmentRecord>) -> Result<Environment, EnvironmentError> {
        let python = path.join("bin/python");
        let lacks = |reason: &str| EnvironmentError::NotAnEnvironment { path: path.clone(), reason: reason.into() };
        if python.symlink_metadata().is_err() {
            return Err(lacks("it has no bin/python"));
        }
        let site_packages = status::library(&path).ok_or_else(|| lacks("it has no lib/python3.X/site-packages"))?;
        Ok(Environment { name, path, python, site_packages, record })
    }
}
