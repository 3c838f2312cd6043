//! The runtimes of a home.

use std::fs;
use std::path::{Path, PathBuf};

use super::catalogue::Catalogue;
use super::discover::discover;
use super::download::{self, RetryPolicy};
use super::error::RuntimeError;
use super::interpreter::Interpreter;
use super::location::{file_of, locate};
use super::probe::{query, query_anew};
use super::runtime::{RECORD, Record, Runtime, RuntimeOrigin, RuntimeState};
use super::settings::InstallSettings;
use crate::platform::{Home, HomeError, Staging, error_chain, failed_to, replace_link};

/// The link to the default runtime's folder.
const DEFAULT: &str = "default";

/// Installs, adopts, lists and removes the runtimes of a home.
#[derive(Clone, Debug)]
pub struct PythonRuntimeManager {
    home: Home,
    pub(super) settings: InstallSettings,
}

impl PythonRuntimeManager {
    /// The manager of a home's runtimes, configured by the environment variables.
    pub fn new(home: Home) -> PythonRuntimeManager {
        PythonRuntimeManager::with_settings(home, InstallSettings::from_env())
    }

    /// The manager of a home's runtimes.
    pub fn with_settings(home: Home, settings: InstallSettings) -> PythonRuntimeManager {
        PythonRuntimeManager { home, settings }
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The builds that can be downloaded: the configured catalogue, else the built-in one.
    pub async fn catalogue(&self) -> Result<Catalogue, RuntimeError> {
        let Some(location) = &self.settings.catalogue else { return Ok(Catalogue::builtin()) };
        let unreachable = |source: RuntimeError| RuntimeError::CatalogueUnreachable {
            location: location.clone(),
            source: Box::new(source),
        };
        let url = locate(location).map_err(unreachable)?;
        let json = match file_of(&url) {
            Some(path) => {
                fs::read(&path).map_err(failed_to("read", &path)).map_err(|error| unreachable(error.into()))?
            }
            None => download::read_small(&url, self.retry_policy()).await.map_err(unreachable)?,
        };
        Catalogue::parse(&json, location)
    }

    /// Every CPython from 3.9 up on the machine, the newest first.
    pub fn discover(&self) -> Result<Vec<Interpreter>, RuntimeError> {
        discover(&self.home, &self.settings.search)
    }

    /// Every runtime of the home, by id, broken ones included.
    pub fn list(&self) -> Result<Vec<Runtime>, RuntimeError> {
        let default = self.default_id()?;
        let Some(folder) = self.folder_if_any()? else { return Ok(Vec::new()) };
        Ok(self.ids()?.into_iter().map(|id| self.inspect(&folder.join(&id), id, default.as_deref())).collect())
    }

    /// Does the same, and runs each of them, also those that ran before.
    pub fn check(&self) -> Result<Vec<Runtime>, RuntimeError> {
        // One that does not run is forgotten, so that it is listed as broken.
        for runtime in self.list()? {
            let _ = query_anew(&self.home, runtime.path);
        }
        self.list()
    }

    /// The runtime of this id.
    pub fn get(&self, id: &str) -> Result<Runtime, RuntimeError> {
        let known = self.ids()?;
        if !known.iter().any(|known| known == id) {
            return Err(RuntimeError::UnknownRuntime { id: id.to_owned(), known });
        }
        Ok(self.inspect(&self.folder()?.join(id), id.to_owned(), self.default_id()?.as_deref()))
    }

    /// The default runtime, if one is set.
    pub fn default_runtime(&self) -> Result<Option<Runtime>, RuntimeError> {
        self.default_id()?.map(|id| self.get(&id)).transpose()
    }

    /// Adopts a Python of the machine as a runtime, unless it is one. The first runtime becomes the default.
    pub fn adopt(&self, interpreter: &Interpreter) -> Result<Runtime, RuntimeError> {
        interpreter.check_supported()?;
        let folder = self.folder()?;
        let origin = RuntimeOrigin::Adopted { path: interpreter.path.clone() };
        let here = |runtime: &Runtime| runtime.interpreter.as_ref().is_some_and(|i| i.path == interpreter.path);
        let id = match self.list()?.into_iter().find(here) {
            Some(runtime) => runtime.id,
            None => self.record_adopted(&folder, interpreter, &origin)?,
        };
        if self.default_id()?.is_none() {
            self.set_default(&id)?;
        }
        tracing::debug!(runtime = id, path = %interpreter.path.display(), "runtime adopted");
        self.get(&id)
    }

    /// Makes the runtime of this id the default.
    pub fn set_default(&self, id: &str) -> Result<(), RuntimeError> {
        self.get(id)?;
        Ok(replace_link(self.folder()?.join(DEFAULT), id)?)
    }

    /// Removes the runtime of this id: an installed one with its files, an adopted one's record only.
    ///
    /// Environments created with an installed one stop working. Removing the default leaves none.
    pub fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        self.get(id)?;
        let folder = self.folder()?;
        let staging = Staging::begin(&folder, id)?;
        if !staging.final_path().is_dir() {
            return Ok(());
        }
        if self.default_id()?.as_deref() == Some(id) {
            let link = folder.join(DEFAULT);
            fs::remove_file(&link).map_err(failed_to("remove", &link))?;
        }
        staging.remove()?;
        tracing::info!(runtime = id, "runtime removed");
        Ok(())
    }

    /// The id that the default link names, if that runtime exists.
    pub(super) fn default_id(&self) -> Result<Option<String>, RuntimeError> {
        let Some(folder) = self.folder_if_any()? else { return Ok(None) };
        let target = fs::read_link(folder.join(DEFAULT)).ok().and_then(|target| target.to_str().map(str::to_owned));
        Ok(target.filter(|id| !id.contains('/') && folder.join(id).is_dir()))
    }

    fn record_adopted(
        &self,
        folder: &Path,
        interpreter: &Interpreter,
        origin: &RuntimeOrigin,
    ) -> Result<String, RuntimeError> {
        let mut id = format!("system-{}", interpreter.version);
        for number in 2.. {
            let staging = Staging::begin(folder, &id)?;
            match Record::read(&staging.final_path()) {
                Ok(record) if record.origin == *origin => break,
                Ok(_) => id = format!("system-{}-{number}", interpreter.version),
                Err(_) => {
                    let new = staging.staged_path();
                    fs::create_dir(&new).map_err(failed_to("create", &new))?;
                    Record::new(&id, interpreter.version, origin.clone()).write(&new.join(RECORD))?;
                    staging.commit(&new)?;
                    break;
                }
            }
        }
        Ok(id)
    }

    fn inspect(&self, folder: &Path, id: String, default: Option<&str>) -> Runtime {
        let record = Record::read(folder);
        let path = match &record {
            Ok(Record { origin: RuntimeOrigin::Adopted { path }, .. }) => path.clone(),
            _ => folder.join("bin/python3"),
        };
        let is_default = default == Some(&id);
        let known = match &record {
            Ok(_) => query(&self.home, &path),
            Err(reason) => Err(RuntimeError::BrokenRecord { id: id.clone(), reason: reason.clone() }),
        };
        let (interpreter, state) = match known {
            Ok(interpreter) => (Some(interpreter), RuntimeState::Ready),
            Err(error) => (None, RuntimeState::Broken { reason: error_chain(&error) }),
        };
        let recorded = record.ok();
        Runtime {
            id,
            path: interpreter.as_ref().map_or(path, |i| i.path.clone()),
            version: interpreter.as_ref().map(|i| i.version).or(recorded.as_ref().map(|record| record.version)),
            origin: recorded.map(|record| record.origin),
            interpreter,
            state,
            is_default,
        }
    }

    fn ids(&self) -> Result<Vec<String>, RuntimeError> {
        let Some(folder) = self.folder_if_any()? else { return Ok(Vec::new()) };
        let mut ids: Vec<String> = fs::read_dir(&folder)
            .map_err(failed_to("read", &folder))?
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        ids.sort();
        Ok(ids)
    }

    fn folder(&self) -> Result<PathBuf, HomeError> {
        self.home.runtimes()
    }

    /// None in a read-only home that has no such folder.
    fn folder_if_any(&self) -> Result<Option<PathBuf>, HomeError> {
        match self.folder() {
            Err(error) if error.is_missing_in_read_only() => Ok(None),
            folder => folder.map(Some),
        }
    }

    pub(super) fn retry_policy(&self) -> RetryPolicy {
        let InstallSettings { connect_timeout, idle_timeout, retries, backoff, .. } = self.settings;
        RetryPolicy { connect: connect_timeout, idle: idle_timeout, retries, backoff }
    }
}
