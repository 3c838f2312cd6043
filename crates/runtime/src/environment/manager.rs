//! The environments of the home.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::EnvironmentError;
use super::name::check_environment_name;
use super::package::options::InstallOptions;
use super::package::progress::ProgressSink;
use super::package::settings::{PackageSettings, caches};
use super::provider::requirements;
use super::record::{self, EnvironmentRecord};
use crate::platform::{Home, HomeError, failed_to};

/// Creates, opens, checks and deletes the environments of a home.
///
/// Every change is atomic, and safe against other processes that work on the same home.
#[derive(Clone, Debug)]
pub struct VenvManager {
    home: Home,
    packages: PackageSettings,
    progress: ProgressSink,
    providers: Option<PathBuf>,
}

impl VenvManager {
    /// The manager of a home's environments, configured by the environment variables.
    pub fn new(home: Home) -> VenvManager {
        VenvManager::with_package_settings(home, PackageSettings::from_env())
    }

    /// The manager of a home's environments.
    pub fn with_package_settings(home: Home, packages: PackageSettings) -> VenvManager {
        let mut packages = packages;
        packages.caches = caches(&home);
        VenvManager { home, packages, progress: ProgressSink::default(), providers: requirements::named_file() }
    }

    /// Reads this file of providers too; its entries replace those of `providers.toml` in the home.
    pub fn with_providers(self, file: impl Into<PathBuf>) -> VenvManager {
        VenvManager { providers: Some(file.into()), ..self }
    }

    pub(super) fn providers_file(&self) -> Option<&Path> {
        self.providers.as_deref()
    }

    /// Changes how packages are installed.
    pub(in crate::environment) fn with_other_packages(self, change: impl FnOnce(&mut PackageSettings)) -> VenvManager {
        let mut packages = self.packages.clone();
        change(&mut packages);
        VenvManager { packages, ..self }
    }

    /// Installs with these options.
    pub fn with_install_options(self, options: InstallOptions) -> VenvManager {
        self.with_other_packages(|settings| settings.options = options)
    }

    /// Reports the progress of installations to `progress`.
    pub fn with_progress(self, progress: ProgressSink) -> VenvManager {
        VenvManager { progress, ..self }
    }

    /// The receiver of progress reports.
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

    /// Opens the environment of this name, without running anything. Refuses a folder that beep-python did not create.
    pub fn open(&self, name: &str) -> Result<Environment, EnvironmentError> {
        let path = self.existing(name)?;
        let record = EnvironmentRecord::recover(&path).map_err(|reason| EnvironmentError::Foreign {
            path: path.clone(),
            reason: format!("{}: {reason}", record::FILE),
        })?;
        Environment::at(path, name.to_owned(), Some(record))
    }

    /// Opens the environment of this name, or at this path: what cannot be a name is a path.
    pub fn open_named(&self, name_or_path: &str) -> Result<Environment, EnvironmentError> {
        let name = check_environment_name(name_or_path);
        // `a b` and `é` name nothing, but a folder can be called so.
        let is_path = name_or_path.starts_with('.') || name_or_path.contains('/') || Path::new(name_or_path).is_dir();
        match name {
            Ok(()) => self.open(&self.resolve(name_or_path)?),
            Err(_) if is_path => self.open_path(name_or_path),
            Err(error) => Err(error),
        }
    }

    /// The name of the environment that a name means: the one of this name, else the only one of the provider of this name. What
    /// means none is returned as it is.
    pub fn resolve(&self, name: &str) -> Result<String, EnvironmentError> {
        match self.existing(name) {
            Err(EnvironmentError::NotFound { .. }) => {}
            other => return other.map(|_| name.to_owned()),
        }
        let folders = std::fs::read_dir(self.folder()?).into_iter().flatten().flatten();
        let is_meant = |folder: &std::fs::DirEntry| {
            EnvironmentRecord::read(&folder.path()).is_ok_and(|record| record.provider.as_deref() == Some(name))
        };
        let meant = folders.filter(is_meant).filter_map(|folder| folder.file_name().into_string().ok());
        let mut meant: Vec<String> = meant.collect();
        meant.sort();
        match meant.len() {
            0 => Ok(name.to_owned()),
            1 => Ok(meant.remove(0)),
            _ => Err(EnvironmentError::SeveralOfProvider { provider: name.to_owned(), names: meant }),
        }
    }

    /// The name of the environment at a path, if it lies in the home.
    fn name_at(&self, path: &Path) -> Option<String> {
        let (folder, path) = (self.folder().ok()?.canonicalize().ok()?, path.canonicalize().ok()?);
        let name = path.file_name()?.to_str()?;
        (path.parent() == Some(&folder) && check_environment_name(name).is_ok()).then(|| name.to_owned())
    }

    /// Opens the environment at a path, whichever tool created it, without running anything.
    pub fn open_path(&self, path: impl AsRef<Path>) -> Result<Environment, EnvironmentError> {
        let path = path.as_ref();
        let path = std::path::absolute(path).map_err(failed_to("find", path))?;
        let lacks = |reason: &str| EnvironmentError::NotAnEnvironment { path: path.clone(), reason: reason.into() };
        if !path.is_dir() {
            return Err(lacks("there is no such folder"));
        }
        // Without it Python would run outside of the environment.
        if !path.join("pyvenv.cfg").is_file() {
            return Err(lacks("it has no pyvenv.cfg"));
        }
        // However its path is written, the locks of an environment of the home go by its name.
        if let Some(name) = self.name_at(&path) {
            match self.open(&name) {
                Err(EnvironmentError::Foreign { .. }) => {}
                opened => return opened,
            }
        }
        let name = path.file_name().map_or_else(|| "/".into(), |name| name.to_string_lossy().into_owned());
        let record = EnvironmentRecord::read(&path).ok();
        Environment::at(path, name, record)
    }

    /// Whether an environment is one of the home's, by its name.
    pub fn is_own(&self, environment: &Environment) -> bool {
        self.folder().is_ok_and(|folder| environment.path.parent() == Some(&folder))
    }

    /// The folder of an existing environment.
    pub(super) fn existing(&self, name: &str) -> Result<PathBuf, EnvironmentError> {
        check_environment_name(name)?;
        let path = self.folder()?.join(name);
        if path.is_dir() { Ok(path) } else { Err(EnvironmentError::NotFound { name: name.into() }) }
    }

    pub(super) fn folder(&self) -> Result<PathBuf, HomeError> {
        self.home.environments()
    }
}
